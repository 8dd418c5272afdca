package page

import (
	"iter"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A difference says where runs diverge.
type difference struct {
	Same int `json:"same"` // number of events that the runs have in common, without packets
	Last int `json:"last"` // index, in the first run, of the last event in common, packets included; below 0 if there is none

	// Marks are the indexes of the first differing event of each run, packets included,
	// or below 0 where the run has no more events. They are empty if the runs are equal.
	Marks []int `json:"marks,omitempty"`
}

// compare adds the events of all runs, to which none may have been added before, and
// returns the point at which the runs diverge. Up to that point it reads the runs side by
// side, so it keeps at most a block of each.
func compare(runs []*runEncoder) *difference {
	cursors := make([]*cursor, len(runs))
	for i, r := range runs {
		cursors[i] = newCursor(r)
		defer cursors[i].stop()
	}
	d := &difference{Last: -1}
	for differ := false; !differ; {
		for _, h := range cursors {
			h.advance()
			differ = differ || h.ended != cursors[0].ended || h.digest != cursors[0].digest
		}
		if !differ && cursors[0].ended {
			return d
		}
		if !differ {
			d.Same++
			d.Last = cursors[0].index
		}
	}
	for _, h := range cursors {
		d.Marks = append(d.Marks, h.index)
		for !h.ended {
			h.advance()
		}
	}
	return d
}

// A cursor moves through the events of a run, and adds them.
type cursor struct {
	run  *runEncoder
	next func() (trace.Event, error, bool)
	stop func()

	// Of the current event.
	index  int          // packets included; below 0 at the end
	digest trace.Digest // of the event alone
	ended  bool         // no current event
}

func newCursor(r *runEncoder) *cursor {
	events := r.run.Events
	if r.run.Events = nil; events == nil {
		events = func(func(trace.Event, error) bool) {}
	}
	h := &cursor{run: r, index: -1}
	h.next, h.stop = iter.Pull2(events)
	return h
}

// advance moves to the next event that a digest covers.
func (h *cursor) advance() {
	for !h.ended {
		e, err, ok := h.next()
		if !ok || !h.run.add(&e, err) {
			h.ended, h.index, h.digest = true, -1, 0
			return
		}
		if e.Kind != trace.Packet && e.Kind != trace.Arrive {
			h.index, h.digest = h.run.about.Events-1, trace.Digest(0).Add(&e)
			return
		}
	}
}

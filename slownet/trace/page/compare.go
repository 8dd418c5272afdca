package page

import (
	"iter"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A difference says where runs part.
type difference struct {
	Same int `json:"same"` // how many events the runs have in common, without packets
	Last int `json:"last"` // the last of those, counted with the packets of the first run; below 0 if there is none

	// Marks are the first event of each run that differs, counted with the run's packets,
	// or below 0 where the run has no more. There are none if the runs are the same.
	Marks []int `json:"marks,omitempty"`
}

// compare adds the events of all runs, and returns where the runs part. Nothing may have
// been added before. It goes through the runs side by side up to there, so it keeps no
// more than a block of each.
func compare(runs []*runEncoder) *difference {
	heads := make([]*head, len(runs))
	for i, r := range runs {
		heads[i] = newHead(r)
		defer heads[i].stop()
	}
	d := &difference{Last: -1}
	for differ := false; !differ; {
		for _, h := range heads {
			h.advance()
			differ = differ || h.ended != heads[0].ended || h.digest != heads[0].digest
		}
		if !differ && heads[0].ended {
			return d
		}
		if !differ {
			d.Same++
			d.Last = heads[0].index
		}
	}
	for _, h := range heads {
		d.Marks = append(d.Marks, h.index)
		for !h.ended {
			h.advance()
		}
	}
	return d
}

// A head goes through the events of a run, and adds them.
type head struct {
	run  *runEncoder
	next func() (trace.Event, error, bool)
	stop func()

	// Of the event that it has come to.
	index  int          // counted with packets; below 0 if there is none
	digest trace.Digest // of that event alone
	ended  bool         // there is none
}

func newHead(r *runEncoder) *head {
	events := r.run.Events
	if r.run.Events = nil; events == nil {
		events = func(func(trace.Event, error) bool) {}
	}
	h := &head{run: r, index: -1}
	h.next, h.stop = iter.Pull2(events)
	return h
}

// advance goes on to the next event that a digest covers.
func (h *head) advance() {
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

package simtest

import (
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A hop is one line on the way between two hosts: that of the pair, or a direction
// of a host's access.
type hop struct {
	link    netem.Link
	shared  *netem.Link // the same, which connections share
	version int         // counts changes of link

	line         netem.Line    // the link in use: all that crosses it shares it
	stepAt       time.Duration // when it is scheduled to be asked what became of what waits; 0 is never
	losesNothing bool          // of segments without data, but by a full queue, and faults
	isClear      bool          // it has a latency, and nothing else that matters to segments
	lookahead    time.Duration // how long they take at least
}

func (h *hop) setLinkLocked(link netem.Link) {
	h.link = link
	h.shared = &link
	h.version++
	h.losesNothing = link.LosesNothing() && !(link.DropOversize && link.MTU < netem.HeaderSize)
	h.isClear = h.carriesAtOnce() && !link.Queue.CountDelayed && !link.DropOversize
	h.line.SetSharedLink(h.shared)
	h.lookahead = 0
	if link.Jitter == (netem.Jitter{}) && link.Reorder == (netem.Chance{}) {
		h.lookahead = link.Latency
	}
}

// carriesAtOnce reports whether all that is sent at one instant arrives at one
// instant.
func (h *hop) carriesAtOnce() bool {
	return h.link == netem.Link{Latency: h.link.Latency, Queue: h.link.Queue, MTU: h.link.MTU} && !h.link.Queue.CountDelayed
}

// A queued packet waits in a queue with a discipline, which decides later what
// becomes of it. It is the tag by which a line knows the packet.
type queued struct {
	arrives func(p netem.Packet)
	dropped func(why netem.Drop)
}

// waits reports whether packets may be queued, so that they need a tag.
func (h *hop) waits() bool { return h.link.Queue.Discipline != netem.FIFO }

// stepLoop schedules that the line is asked what has become of what it has queued.
// It is to be called after each packet that has a tag.
func (s *Sim) stepLoop(h *hop) {
	at := h.line.Next()
	if at == netem.Never || h.stepAt != 0 && h.stepAt <= at {
		return
	}
	at = max(at, s.instant, 1)
	h.stepAt = at
	s.callAtLocked(at, nil, func() {
		if h.stepAt != at {
			return // there was an earlier one
		}
		h.stepAt = 0
		for {
			d, ok := h.line.Step(s.instant)
			if !ok {
				break
			}
			packet := d.Tag.(*queued)
			if d.Drop != netem.NotDropped {
				packet.dropped(d.Drop)
			} else {
				packet.arrives(d.Packet)
			}
		}
		s.stepLoop(h)
	})
}

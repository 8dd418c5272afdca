package simtest

import (
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A hop is one line on the path between two hosts: the link of the pair, or a direction
// of a host's access.
type hop struct {
	link    netem.Link
	shared  *netem.Link // the same link, shared by connections
	version int         // counts changes of link

	line         netem.Line    // the link in use, shared by everything that crosses it
	stepAt       time.Duration // time for which the line's Step is scheduled; 0 for none
	losesNothing bool          // segments without data are lost only by a full queue or by faults
	isClear      bool          // it has a latency, and nothing else that affects segments
	lookahead    time.Duration // the least time that segments take
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

// carriesAtOnce reports whether everything sent at one instant arrives at one instant.
func (h *hop) carriesAtOnce() bool {
	return h.link == netem.Link{Latency: h.link.Latency, Queue: h.link.Queue, MTU: h.link.MTU} && !h.link.Queue.CountDelayed
}

// A queued is the tag of a packet in a queue with a discipline, whose fate is decided
// later.
type queued struct {
	arrives func(p netem.Packet)
	dropped func(why netem.Drop)
}

// waits reports whether packets may be queued and therefore need a tag.
func (h *hop) waits() bool { return h.link.Queue.Discipline != netem.FIFO }

// stepLoop schedules the line's Step for queued packets. It must be called after each
// packet with a tag.
func (s *Sim) stepLoop(h *hop) {
	at := h.line.Next()
	if at == netem.Never || h.stepAt != 0 && h.stepAt <= at {
		return
	}
	at = max(at, s.instant, 1)
	h.stepAt = at
	s.callAtLocked(at, nil, func() {
		if h.stepAt != at {
			return // there was an earlier event
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

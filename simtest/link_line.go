package simtest

import "github.com/slowpoetry/slowpoetry/slownet/netem"

// A queued packet waits in a queue with a discipline, which decides later what
// becomes of it. It is the tag by which a line knows the packet.
type queued struct {
	arrives func(p netem.Packet)
	dropped func(why netem.Drop)
}

// waits reports whether packets may be queued, so that they need a tag.
func (r *route) waits() bool { return r.link.Queue.Discipline != netem.FIFO }

// stepLoop schedules that the line is asked what has become of what it has queued.
// It is to be called after each packet that has a tag.
func (s *Sim) stepLoop(r *route) {
	at := r.line.Next()
	if at == netem.Never || r.stepAt != 0 && r.stepAt <= at {
		return
	}
	at = max(at, s.instant, 1)
	r.stepAt = at
	s.callAtLocked(at, nil, func() {
		if r.stepAt != at {
			return // there was an earlier one
		}
		r.stepAt = 0
		for {
			d, ok := r.line.Step(s.instant)
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
		s.stepLoop(r)
	})
}

package slownet

import (
	"time"

	"github.com/benbjohnson/clock"
)

// A parked is the background work of a closed connection between two steps.
// Meanwhile no goroutine runs, as nothing would wait for it to end: there is
// only a timer of the connection's clock.
type parked struct {
	timer *clock.Timer // nil if the work waits for a signal only
	goOn  func()
}

// pauseLocked makes the background work wait for its signal, or until the given
// time unless that is never. If the connection is closed, the work is parked
// instead: pauseLocked returns true, the goroutine must end, and a new one calls
// goOn later.
func (h *half) pauseLocked(until time.Duration, goOn func()) (end bool) {
	if h.closed {
		return h.parkLocked(until, goOn)
	}
	h.waitLocked(&h.work, until)
	return false
}

// parkLocked parks the work and returns true. If the time has already come, it only
// returns false.
func (h *half) parkLocked(until time.Duration, goOn func()) bool {
	p := &parked{goOn: goOn}
	if until != never {
		p.timer = h.endpoint.at(until, func() {
			h.mu.Lock()
			mine := h.parked == p
			if mine {
				h.parked = nil
			}
			h.mu.Unlock()
			if mine {
				goOn()
			}
		})
		if h.now() >= until {
			p.timer.Stop()
			return false
		}
	}
	h.parked = p
	return true
}

// unparkLocked resumes parked work at once.
func (h *half) unparkLocked() {
	p := h.parked
	if p == nil {
		return
	}
	h.parked = nil
	if p.timer != nil {
		p.timer.Stop()
	}
	go p.goOn()
}

// at calls do at the given time, in a goroutine of its own.
func (e *endpoint) at(until time.Duration, do func()) *clock.Timer {
	for {
		now := e.now()
		timer := e.clock.AfterFunc(until-now, do)
		if !isStepped(e.clock) || e.now() == now {
			return timer
		}
		timer.Stop() // the clock was moved meanwhile, so it would fire too late
	}
}

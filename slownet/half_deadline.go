package slownet

import (
	"net"
	"time"

	"github.com/benbjohnson/clock"
)

// A deadline is one of a connection's two deadlines, on the time line of the
// connection's clock. Package simtest has a deadline type of its own on purpose:
// it uses the bubble's time, not a clock that is passed in, and expires under the
// lock of the whole simulation.
type deadline struct {
	at      time.Time    // zero is never
	timer   *clock.Timer // runs while the deadline lies ahead
	changes int          // counts changes, so that a late timer can tell that it is stale
	passed  bool         // the timer has fired, or the deadline was set to a time in the past
}

// hasPassed reports whether the deadline has passed. It checks the clock: at
// the exact instant of the deadline, the timer may or may not have fired.
func (d *deadline) hasPassed(c clock.Clock) bool {
	return d.passed || !d.at.IsZero() && !c.Now().Before(d.at)
}

// stop ends the timer.
func (d *deadline) stop() {
	d.changes++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

// An expirer is called when a deadline has passed, with the change that set it.
type expirer interface{ expire(change int) }

// set changes the deadline. The zero time is none.
func (d *deadline) set(c clock.Clock, t time.Time, of expirer) {
	d.stop()
	d.at, d.passed = t, false
	for d.passed = d.hasPassed(c); !t.IsZero() && !d.passed; d.passed = d.hasPassed(c) {
		change, now := d.changes, c.Now()
		d.timer = c.AfterFunc(t.Sub(now), func() { of.expire(change) })
		if !isStepped(c) || c.Now().Equal(now) {
			return
		}
		d.timer.Stop() // the clock was moved meanwhile, so it would fire too late
	}
}

// setDeadline changes the deadline of a half. The zero time is none.
func (h *half) setDeadline(t time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return net.ErrClosed
	}
	h.hasDeadline.Store(!t.IsZero())
	h.deadline.set(h.endpoint.clock, t, h)
	h.changed.wake()
	if err := h.syncLocked(true); err != nil && h.err == nil && !h.hungUp {
		return err
	}
	return nil
}

// expire is called by the timer that the given change has set.
func (h *half) expire(change int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if change != h.deadline.changes || h.closed {
		return
	}
	h.deadline.passed = true
	_ = h.syncLocked(false) // fails only on a closed connection, where no call waits
	h.changed.wake()
}

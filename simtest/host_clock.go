package simtest

import (
	"context"
	"time"

	"github.com/benbjohnson/clock"
)

// A hostClock is a host's clock: the simulated time, plus a skew.
type hostClock struct {
	clock.Clock
	host *Host
}

// Clock returns the host's clock, which shows the simulated time plus the host's skew.
// Its timers run at the same speed as all others and send simulated time on their
// channels. Deadlines of connections are in simulated time too.
func (h *Host) Clock() clock.Clock { return &hostClock{clock.New(), h} }

// SetSkew sets the offset of the host's clock from simulated time. A positive d makes
// the clock fast, and a negative d makes it slow. Code on the host that uses the time
// package instead of the host's clock is not affected.
func (h *Host) SetSkew(d time.Duration) {
	h.sim.control("skew "+h.name+" "+d.String(), func() {
		h.skew = d
		h.hostEventLocked("skew " + h.skewedLocked().String())
	})
}

func (c *hostClock) skew() time.Duration {
	c.host.sim.mu.Lock()
	defer c.host.sim.mu.Unlock()
	return c.host.skewedLocked()
}

// Now returns the time on the clock.
func (c *hostClock) Now() time.Time { return c.Clock.Now().Add(c.skew()) }

// Since returns the time since t, on this clock.
func (c *hostClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// Until returns the time until t, on this clock.
func (c *hostClock) Until(t time.Time) time.Duration { return t.Sub(c.Now()) }

// WithDeadline returns a context that ends when the clock, at its present skew, shows
// the given time. The context's Deadline method returns simulated time.
func (c *hostClock) WithDeadline(parent context.Context, t time.Time) (context.Context, context.CancelFunc) {
	return c.Clock.WithDeadline(parent, t.Add(-c.skew()))
}

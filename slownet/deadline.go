package slownet

import (
	"sync"
	"time"

	"github.com/benbjohnson/clock"
)

// A deadline is one of a connection's two deadlines, on the time line of the
// connection's clock.
type deadline struct {
	clock clock.Clock
	inner func(time.Time) error // sets the inner connection's deadline

	mu      sync.Mutex    // guards what follows, and the order of calls to inner
	changes int           // counts calls of set, so that a late timer knows it is stale
	timer   *clock.Timer  // runs while the deadline lies ahead
	expired chan struct{} // closed while the deadline lies in the past
}

func newDeadline(c clock.Clock, inner func(time.Time) error) *deadline {
	return &deadline{clock: c, inner: inner, expired: make(chan struct{})}
}

// set moves the deadline. The zero time is none.
func (d *deadline) set(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changes++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	if t.IsZero() || d.clock.Until(t) > 0 {
		if err := d.inner(time.Time{}); err != nil {
			return err
		}
		if d.isExpiredLocked() {
			d.expired = make(chan struct{})
		}
		if !t.IsZero() {
			change := d.changes
			d.timer = d.clock.AfterFunc(d.clock.Until(t), func() { d.fire(change) })
		}
		return nil
	}
	return d.expireLocked()
}

// fire is what the timer does that was set by the given change.
func (d *deadline) fire(change int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if change == d.changes {
		_ = d.expireLocked() // it fails when the connection is closed, and then nobody waits
	}
}

// expireLocked wakes whoever waits, here or in the inner connection.
func (d *deadline) expireLocked() error {
	if !d.isExpiredLocked() {
		close(d.expired)
	}
	return d.inner(longAgo)
}

func (d *deadline) isExpiredLocked() bool {
	select {
	case <-d.expired:
		return true
	default:
		return false
	}
}

// done returns a channel that is closed once the deadline has passed.
func (d *deadline) done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.expired
}

// longAgo is a deadline that lies in the past on every clock.
var longAgo = time.Unix(-1_000_000_000, 0)

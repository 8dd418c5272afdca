package slownet

import (
	"net"
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
	at      time.Time     // zero is never
	changes int           // counts changes of at, so that a late timer knows it is stale
	timer   *clock.Timer  // runs while the deadline lies ahead
	passed  chan struct{} // closed while the deadline lies in the past
	closed  bool          // it cannot be moved any more
}

func newDeadline(c clock.Clock, inner func(time.Time) error) *deadline {
	return &deadline{clock: c, inner: inner, passed: make(chan struct{})}
}

// set moves the deadline. The zero time is none.
func (d *deadline) set(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return net.ErrClosed
	}
	d.stopLocked()
	d.at = t
	if d.hasPassedLocked() {
		return d.passLocked()
	}
	if err := d.inner(time.Time{}); err != nil {
		return err
	}
	if d.isToldLocked() {
		d.passed = make(chan struct{})
	}
	if !t.IsZero() {
		change := d.changes
		d.timer = d.clock.AfterFunc(d.clock.Until(t), func() { d.fire(change) })
	}
	return nil
}

// fire is what the timer does that was set by the given change.
func (d *deadline) fire(change int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if change == d.changes {
		_ = d.passLocked() // it fails when the connection is closed, and then nobody waits
	}
}

// close wakes whoever waits, and keeps the deadline where it is: whatever is
// set from now on, nothing waits any more.
func (d *deadline) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.stopLocked()
	_ = d.passLocked()
}

// stop ends the deadline of a connection whose inner connection is closed.
func (d *deadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopLocked()
}

// hasPassed reports whether the deadline lies in the past. It asks the clock,
// for at the very instant of the deadline its timer may or may not have fired.
func (d *deadline) hasPassed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed || d.hasPassedLocked()
}

// done returns a channel that is closed once the deadline has passed.
func (d *deadline) done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.passed
}

func (d *deadline) hasPassedLocked() bool {
	return !d.at.IsZero() && !d.clock.Now().Before(d.at)
}

// passLocked wakes whoever waits, here or in the inner connection.
func (d *deadline) passLocked() error {
	if !d.isToldLocked() {
		close(d.passed)
	}
	return d.inner(longAgo)
}

func (d *deadline) isToldLocked() bool {
	select {
	case <-d.passed:
		return true
	default:
		return false
	}
}

func (d *deadline) stopLocked() {
	d.changes++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

// longAgo is a deadline that lies in the past on every clock.
var longAgo = time.Unix(-1_000_000_000, 0)

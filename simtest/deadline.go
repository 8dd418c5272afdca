package simtest

import (
	"sync"
	"time"
)

// A deadline is one of a connection's two deadlines. All of it is guarded by
// the simulation's mu.
type deadline struct {
	passed  func() // called when it passes, with mu held
	expired bool
	changes int // counts calls of setLocked, so that a late timer knows it is stale
	timer   *time.Timer
}

// setLocked moves the deadline. The zero time is none.
func (d *deadline) setLocked(mu *sync.Mutex, t time.Time) {
	d.stopLocked()
	d.expired = false
	wait := time.Until(t)
	switch {
	case t.IsZero():
	case wait <= 0:
		d.expired = true
		d.passed()
	default:
		change := d.changes
		d.timer = time.AfterFunc(wait, func() {
			mu.Lock()
			defer mu.Unlock()
			if change == d.changes {
				d.expired = true
				d.passed()
			}
		})
	}
}

// stopLocked makes the timer, if one runs, do nothing.
func (d *deadline) stopLocked() {
	d.changes++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

package simtest

import (
	"sync"
	"time"
)

// A deadline is one of a connection's two deadlines. All of it is guarded by
// the simulation's mu.
type deadline struct {
	wake    func()    // called when it passes, with mu held
	at      time.Time // zero is never
	changes int       // counts changes of at, so that a late timer knows it is stale
	timer   *time.Timer
}

// setLocked moves the deadline. The zero time is none.
func (d *deadline) setLocked(mu *sync.Mutex, t time.Time) {
	d.stopLocked()
	d.at = t
	switch {
	case t.IsZero():
	case d.hasPassedLocked():
		d.wake()
	default:
		change := d.changes
		d.timer = time.AfterFunc(time.Until(t), func() {
			mu.Lock()
			defer mu.Unlock()
			if change == d.changes {
				d.wake()
			}
		})
	}
}

// hasPassedLocked reports whether the deadline lies in the past. It asks the
// clock, for at the very instant of the deadline its timer may or may not have
// fired.
func (d *deadline) hasPassedLocked() bool {
	return !d.at.IsZero() && !time.Now().Before(d.at)
}

// stopLocked makes the timer, if one runs, do nothing.
func (d *deadline) stopLocked() {
	d.changes++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

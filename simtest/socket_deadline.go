package simtest

import (
	"sync"
	"time"
)

// A deadline is the time at which waiting calls give up. It is guarded by the
// simulation's mu. Most connections have none, so it takes little memory until it is
// set. Package slownet has a deadline of its own because its clock is a parameter.
type deadline struct{ alarm *alarm }

// An alarm is the timer of a deadline.
type alarm struct {
	at      time.Time
	timer   *time.Timer
	stopped bool // a timer that fires late does nothing
}

// setLocked sets the deadline: when it passes, waiting calls end; if calls is nil, they
// check the clock themselves. The zero time is none. A deadline cannot be moved once
// its instant has come, whether or not its timer has fired.
func (d *deadline) setLocked(mu *sync.Mutex, calls expirer, t time.Time) {
	if calls != nil && d.hasPassedLocked() {
		calls.expireLocked()
	}
	d.stopLocked()
	d.alarm = nil
	if t.IsZero() {
		return
	}
	a := &alarm{at: t}
	d.alarm = a
	if calls == nil {
		return
	}
	if d.hasPassedLocked() {
		calls.expireLocked()
		return
	}
	a.timer = time.AfterFunc(time.Until(t), func() {
		mu.Lock()
		defer mu.Unlock()
		if !a.stopped {
			calls.expireLocked()
		}
	})
}

// An expirer has calls with a deadline.
type expirer interface{ expireLocked() }

// hasPassedLocked reports whether the deadline has passed. It reads the clock, since at
// the instant of the deadline its timer may or may not have fired.
func (d *deadline) hasPassedLocked() bool { return d.alarm != nil && d.alarm.isDue() }

func (a *alarm) isDue() bool { return !time.Now().Before(a.at) }

// stopLocked stops the timer, if there is one.
func (d *deadline) stopLocked() {
	if d.alarm != nil && d.alarm.timer != nil {
		d.alarm.timer.Stop()
		d.alarm.stopped = true
	}
}

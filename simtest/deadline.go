package simtest

import (
	"sync"
	"time"
)

// A deadline is when calls give up that wait. All of it is guarded by the
// simulation's mu. Most connections have none, so it is little until it is set.
type deadline struct{ alarm *alarm }

// An alarm is a deadline that was set.
type alarm struct {
	at      time.Time
	timer   *time.Timer
	stopped bool // a late timer does nothing
}

// setLocked moves the deadline: when it passes, those who wait are woken. The
// zero time is none.
func (d *deadline) setLocked(waiting *sync.Cond, t time.Time) {
	d.stopLocked()
	d.alarm = nil
	if t.IsZero() {
		return
	}
	a := &alarm{at: t}
	d.alarm = a
	if d.hasPassedLocked() {
		waiting.Broadcast()
		return
	}
	a.timer = time.AfterFunc(time.Until(t), func() {
		waiting.L.Lock()
		defer waiting.L.Unlock()
		if !a.stopped {
			waiting.Broadcast()
		}
	})
}

// hasPassedLocked reports whether the deadline lies in the past. It asks the
// clock, for at the very instant of the deadline its timer may or may not have
// fired.
func (d *deadline) hasPassedLocked() bool {
	return d.alarm != nil && !time.Now().Before(d.alarm.at)
}

// stopLocked makes the timer, if one runs, do nothing.
func (d *deadline) stopLocked() {
	if d.alarm != nil && d.alarm.timer != nil {
		d.alarm.timer.Stop()
		d.alarm.stopped = true
	}
}

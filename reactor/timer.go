package reactor

import (
	"time"

	"github.com/benbjohnson/clock"

	"github.com/slowpoetry/slowpoetry/internal/heap"
)

// A Timer calls a function on the loop, once; see [Reactor.AfterFunc].
type Timer struct {
	timers   *timers
	at       time.Time
	sequence uint64 // in the order of setting: breaks ties of at
	f        func()
	index    int // in the heap; -1 if it is not in the heap
}

// AfterFunc calls f on the loop when d has passed on the reactor's clock, unless
// the timer is stopped or Run ends before. A timer does not keep Run going.
// AfterFunc must be called on the loop, or before Run.
func (r *Reactor) AfterFunc(d time.Duration, f func()) *Timer {
	t := &Timer{timers: &r.timers, at: r.Now().Add(max(d, 0)), f: f}
	r.timers.add(t)
	return t
}

// Stop cancels the timer. It must be called on the loop, or before Run.
func (t *Timer) Stop() {
	if t.index >= 0 {
		t.timers.heap.Remove(t.index)
	}
}

// timers contains the timers of a loop. One timer of the clock, the alarm, serves
// all of them: it wakes the loop when the first is due.
type timers struct {
	heap    heap.Heap[timerEntry]
	set     uint64 // timers set so far
	alarm   *clock.Timer
	alarmAt time.Time
}

func (t *timers) add(timer *Timer) {
	t.set++
	timer.sequence = t.set
	t.heap.Push(timerEntry{timer})
}

// isDue reports whether a timer is due.
func (t *timers) isDue(now time.Time) bool {
	return len(t.heap) > 0 && !t.heap[0].at.After(now)
}

// fire calls the functions of the due timers. Timers set meanwhile wait for the
// next turn of the loop.
func (t *timers) fire(now time.Time) {
	for last := t.set; t.isDue(now) && t.heap[0].sequence <= last; {
		t.heap.Pop().f()
	}
}

// setAlarm sets the alarm for the next timer.
func (t *timers) setAlarm(c clock.Clock, r *Reactor) {
	if len(t.heap) == 0 || t.alarm != nil && !t.alarmAt.After(t.heap[0].at) && t.alarmAt.After(c.Now()) {
		return // at worst it fires for a stopped timer, and is then set again
	}
	t.silence()
	t.alarmAt = t.heap[0].at
	t.alarm = c.AfterFunc(c.Until(t.alarmAt), r.wake)
}

func (t *timers) silence() {
	if t.alarm != nil {
		t.alarm.Stop()
		t.alarm = nil
	}
}

// clear drops all timers.
func (t *timers) clear() {
	t.silence()
	for _, timer := range t.heap {
		timer.index = -1
	}
	t.heap = nil
}

// A timerEntry is a timer in the heap.
type timerEntry struct{ *Timer }

// Before orders timers by time, and then by the order in which they were set.
func (t timerEntry) Before(other timerEntry) bool {
	return t.at.Before(other.at) || t.at.Equal(other.at) && t.sequence < other.sequence
}

// Moved records the timer's index, for Stop.
func (t timerEntry) Moved(to int) { t.index = to }

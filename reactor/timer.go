package reactor

import (
	"container/heap"
	"time"

	"github.com/benbjohnson/clock"
)

// A Timer calls a function on the loop after a while.
type Timer struct {
	timers   *timers
	at       time.Time
	sequence uint64 // by order of setting; ties of at are decided by it
	f        func()
	index    int // in the heap; -1 when it is not in it
}

// AfterFunc has f called on the loop when d has passed on the reactor's clock,
// unless the timer is stopped or Run ends before. A timer does not keep Run
// going. It is for the loop only, or for the time before Run.
func (r *Reactor) AfterFunc(d time.Duration, f func()) *Timer {
	t := &Timer{timers: &r.timers, at: r.Now().Add(max(d, 0)), f: f}
	r.timers.add(t)
	return t
}

// Stop takes the timer back. It is for the loop only.
func (t *Timer) Stop() {
	if t.index >= 0 {
		heap.Remove(&t.timers.heap, t.index)
	}
}

// timers are those of one loop. One timer of the clock's, the alarm, serves
// all: it wakes the loop when the first is due.
type timers struct {
	heap    timerHeap
	set     uint64 // counts timers
	alarm   *clock.Timer
	alarmAt time.Time
}

func (t *timers) add(timer *Timer) {
	t.set++
	timer.sequence = t.set
	heap.Push(&t.heap, timer)
}

// isDue reports whether a timer is to fire.
func (t *timers) isDue(now time.Time) bool {
	return len(t.heap) > 0 && !t.heap[0].at.After(now)
}

// fire calls what is due, but for timers that are set meanwhile: they have
// their turn after all else has had its own.
func (t *timers) fire(now time.Time) {
	for last := t.set; t.isDue(now) && t.heap[0].sequence <= last; {
		heap.Pop(&t.heap).(*Timer).f()
	}
}

// setAlarm makes sure that the loop is woken when the next timer is due.
func (t *timers) setAlarm(c clock.Clock, r *Reactor) {
	if len(t.heap) == 0 || t.alarm != nil && !t.alarmAt.After(t.heap[0].at) && t.alarmAt.After(c.Now()) {
		return // at worst the alarm rings for a timer that was stopped, and is then set anew
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

// clear forgets all timers.
func (t *timers) clear() {
	t.silence()
	for _, timer := range t.heap {
		timer.index = -1
	}
	t.heap = nil
}

// timerHeap is a heap of timers, the next one first.
type timerHeap []*Timer

// Len, and the methods below, are what container/heap asks for.
func (h timerHeap) Len() int { return len(h) }

// Less orders timers by time, and then by when they were set.
func (h timerHeap) Less(i, j int) bool {
	return h[i].at.Before(h[j].at) || h[i].at.Equal(h[j].at) && h[i].sequence < h[j].sequence
}

// Swap swaps two timers.
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push appends a timer.
func (h *timerHeap) Push(x any) {
	timer := x.(*Timer)
	timer.index = len(*h)
	*h = append(*h, timer)
}

// Pop removes the last timer.
func (h *timerHeap) Pop() any {
	last := len(*h) - 1
	timer := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	timer.index = -1
	return timer
}

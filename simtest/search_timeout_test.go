package simtest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// On a loaded machine a worker's own time counts; a hanging worker is still detected.
func TestWorkerTimeout(t *testing.T) {
	for _, c := range []struct {
		name     string
		share    float64 // of real time, in which the worker runs
		progress bool
		want     time.Duration
	}{
		{"a slow seed", 1, true, 2 * time.Minute},
		{"a slow seed on a loaded machine", 1. / 8, true, 16 * time.Minute},
		{"a seed that hangs", 1, false, 2 * time.Minute},
		{"a seed that hangs on a loaded machine", 1. / 8, false, 192 * time.Second},
		{"a seed that gets no processor", 0, true, 0},
		{"a seed that gets no processor, from the beginning", 0, false, 0},
	} {
		w := newWorkerTimeout(2*time.Minute, 0)
		over := time.Duration(0)
		for took := time.Second; took <= time.Hour && over == 0; took += time.Second {
			w.add(time.Second, time.Duration(c.share*float64(time.Second)))
			if w.isToAsk() && c.progress {
				w.hear(uint64(took))
			}
			if w.isSpent() {
				over = took
			}
		}
		assert.Equal(t, c.want, over, c.name)
	}
}

// A seed that takes twenty seconds of processor time is slow, however long it waits for
// a processor, and even if the waiting is reported late.
func TestWorkerTimeoutWithWaiting(t *testing.T) {
	w := newWorkerTimeout(2*time.Minute, 0)
	for range int(2 * time.Minute / (300 * time.Millisecond)) { // an eighth of a second in each second
		w.look(50*time.Millisecond, 0)
		w.look(50*time.Millisecond, 0)
		w.look(50*time.Millisecond, 0)
		w.look(50*time.Millisecond, 0)
		w.look(50*time.Millisecond, 0)
		w.look(50*time.Millisecond, 250*time.Millisecond)
	}
	assert.Equal(t, 2*time.Minute, w.idle)
	assert.Less(t, w.own, 21*time.Second)
	assert.False(t, w.isSpent())
	w.look(time.Hour, 0)
	assert.Equal(t, 2*time.Minute+200*time.Millisecond, w.idle, "the machine was stopped")
}

// The process's own time is real time on an idle machine, or less.
func TestWorkerTimeoutOfProcess(t *testing.T) {
	w := newWorkerTimeout(30*time.Millisecond, 1<<30) // there is no such process
	assert.False(t, w.isOver())
	time.Sleep(30 * time.Millisecond)
	assert.True(t, w.isOver(), "unknown processor time does not extend the timeout")
	assert.False(t, w.isToAsk(), "there is no time for answers")
}

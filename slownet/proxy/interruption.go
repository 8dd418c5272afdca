package proxy

import (
	"slices"
	"sync"
	"time"
)

// An interruption waits for the delayed effects of a change: readers must leave their
// sockets, since bytes that they read before that bypass the change; and links are set in
// the background.
type interruption struct {
	mu  sync.Mutex // guards the fields below
	out []pendingEffect
}

// A pendingEffect is a delayed effect of a change.
type pendingEffect struct {
	out <-chan struct{} // closed when it is complete
	end time.Time       // calls wait until then
}

func (l *interruption) add(out <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out = append(l.out, pendingEffect{out, time.Now().Add(interruptionTime)})
}

// await waits until the late flows have applied the change and all effects are complete, but
// not beyond the given time. A reader can be blocked in a write to an end that reads nothing.
// In this case new bytes wait for the reader anyway.
func (l *interruption) await(late []follower, end time.Time) {
	for _, f := range late {
		for f.isBehind() && time.Now().Before(end) {
			time.Sleep(200 * time.Microsecond)
		}
	}
	for range 2 { // setting the links is an effect that adds others: readers must leave
		l.mu.Lock()
		l.out = slices.DeleteFunc(l.out, pendingEffect.isOver)
		all := slices.Clone(l.out)
		l.mu.Unlock()
		for _, d := range all {
			d.await(end)
		}
	}
}

func (d pendingEffect) isOver() bool {
	select {
	case <-d.out:
		return true
	default:
		return !time.Now().Before(d.end)
	}
}

func (d pendingEffect) await(end time.Time) {
	if d.isOver() || !time.Now().Before(end) {
		return
	}
	patience := time.NewTimer(min(time.Until(d.end), time.Until(end)))
	defer patience.Stop()
	select {
	case <-d.out:
	case <-patience.C:
	}
}

// interruptionTime is the maximum time that a call waits. An interrupted reader needs
// microseconds, but on a busy machine it may have to wait for a processor.
const interruptionTime = 100 * time.Millisecond

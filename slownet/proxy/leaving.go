package proxy

import (
	"sync"
	"time"
)

// Leaving is who has been told to come out of a socket after a change, but may be a
// moment late: bytes that come now would still go the old way.
type leaving struct {
	mu  sync.Mutex // guards what follows
	out []<-chan struct{}
}

func (l *leaving) add(out <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out = append(l.out, out)
}

// await waits until all have come out, but not long: one may be in a write to an end
// that reads nothing, and then bytes that come now have to wait for it anyway.
func (l *leaving) await() {
	l.mu.Lock()
	all := l.out
	l.out = nil
	l.mu.Unlock()
	if len(all) == 0 {
		return
	}
	patience := time.NewTimer(leavingTime)
	defer patience.Stop()
	for _, out := range all {
		select {
		case <-out:
		case <-patience.C:
			return
		}
	}
}

const leavingTime = 20 * time.Millisecond

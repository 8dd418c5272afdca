package proxy

import (
	"sync"
	"time"
)

// An interruption waits for readers that must leave a socket after a change. Bytes
// that a reader gets before it has left would bypass the change.
type interruption struct {
	mu  sync.Mutex // guards what follows
	out []<-chan struct{}
}

func (l *interruption) add(out <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out = append(l.out, out)
}

// await waits until all have left, but not for long. A reader may be blocked in a
// write to an end that reads nothing; then new bytes wait for it anyway.
func (l *interruption) await() {
	l.mu.Lock()
	all := l.out
	l.out = nil
	l.mu.Unlock()
	if len(all) == 0 {
		return
	}
	patience := time.NewTimer(interruptionTime)
	defer patience.Stop()
	for _, out := range all {
		select {
		case <-out:
		case <-patience.C:
			return
		}
	}
}

const interruptionTime = 20 * time.Millisecond

package proxy

import "sync/atomic"

// A running counts the running goroutines of a server's connections. The zero value counts
// none.
type running struct {
	n       atomic.Int64
	waiting atomic.Pointer[chan struct{}] // signalled when none is left; nil before wait
}

// run runs f in a new goroutine.
func (r *running) run(f func()) {
	r.n.Add(1)
	go func() {
		f()
		if r.n.Add(-1) == 0 {
			if c := r.waiting.Load(); c != nil {
				signalTo(*c)
			}
		}
	}()
}

// wait waits until no goroutine is left. It may be called once.
func (r *running) wait() {
	c := make(chan struct{}, 1)
	r.waiting.Store(&c)
	for r.n.Load() != 0 {
		<-c
	}
}

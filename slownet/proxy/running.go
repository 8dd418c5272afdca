package proxy

import "sync/atomic"

// A running counts the goroutines of a server's connections. The zero value has none.
type running struct {
	n       atomic.Int64
	waiting atomic.Pointer[chan struct{}] // signalled when none is left; nil if nobody waits
}

// run runs a function in a goroutine.
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

// wait waits until none is left. It is called once.
func (r *running) wait() {
	c := make(chan struct{}, 1)
	r.waiting.Store(&c)
	for r.n.Load() != 0 {
		<-c
	}
}

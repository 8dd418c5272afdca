package testnet

import (
	"context"
	"sync/atomic"
)

// A CountingContext is a context that is never done. It counts the functions that wait for
// it.
type CountingContext struct {
	context.Context
	done    chan struct{}
	waiting atomic.Int32
}

// NewCountingContext returns a context with the values of another one.
func NewCountingContext(values context.Context) *CountingContext {
	return &CountingContext{Context: values, done: make(chan struct{})}
}

// Waiting returns the number of functions that were passed to context.AfterFunc and have not
// been stopped.
func (c *CountingContext) Waiting() int { return int(c.waiting.Load()) }

// Done returns a channel that is never closed.
func (c *CountingContext) Done() <-chan struct{} { return c.done }

// AfterFunc counts a function, and never calls it. context.AfterFunc calls this method.
func (c *CountingContext) AfterFunc(func()) (stop func() bool) {
	c.waiting.Add(1)
	var stopped atomic.Bool
	return func() bool {
		first := !stopped.Swap(true)
		if first {
			c.waiting.Add(-1)
		}
		return first
	}
}

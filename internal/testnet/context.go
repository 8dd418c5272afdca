package testnet

import (
	"context"
	"sync/atomic"
)

// A CountingContext counts the calls that wait for its end, which never comes.
type CountingContext struct {
	context.Context
	done    chan struct{}
	waiting atomic.Int32
}

// NewCountingContext returns a context with the values of another.
func NewCountingContext(values context.Context) *CountingContext {
	return &CountingContext{Context: values, done: make(chan struct{})}
}

// Waiting returns the number of calls of context.AfterFunc that have not been stopped.
func (c *CountingContext) Waiting() int { return int(c.waiting.Load()) }

// Done returns a channel that is never closed.
func (c *CountingContext) Done() <-chan struct{} { return c.done }

// AfterFunc is called by context.AfterFunc.
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

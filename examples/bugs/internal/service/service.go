// Package service is a host whose workers ask a server, and the check that they get
// answers.
package service

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// Workers are goroutines of a host, each of which asks a server repeatedly.
type Workers struct {
	sim      *simtest.Sim
	host     *simtest.Host
	pause    time.Duration  // minimum time between two requests; the maximum is twice that
	answered []atomic.Int64 // simulated time of the last answer, by worker
}

// NewWorkers returns n workers of a host.
func NewWorkers(sim *simtest.Sim, host *simtest.Host, n int, pause time.Duration) *Workers {
	return &Workers{sim: sim, host: host, pause: pause, answered: make([]atomic.Int64, n)}
}

// Run runs the workers until ctx ends: each calls ask with its number and the number
// of the request, both from 0.
func (w *Workers) Run(ctx context.Context, ask func(ctx context.Context, worker, request int) error) {
	for i := range w.answered {
		chance := rand.New(rand.NewPCG(w.host.Rand().Uint64(), 0))
		go func() {
			time.Sleep(time.Duration(i) * time.Millisecond)
			for n := 0; ctx.Err() == nil; n++ {
				if ask(ctx, i, n) == nil {
					w.answered[i].Store(int64(w.sim.Elapsed()))
				}
				pause := w.pause + time.Duration(chance.Int64N(int64(w.pause)))
				time.Sleep(pause) // to the nanosecond, so that no two ask at one instant
			}
		}()
	}
	<-ctx.Done()
}

// MustRecover waits until the faults are over, and fails the test if, half a minute
// later, any worker has had no answer for 10 s.
func (w *Workers) MustRecover(t *testing.T) {
	t.Helper()
	<-w.sim.Quiet()
	time.Sleep(30 * time.Second)
	w.sim.Settle()
	stuck := 0
	for i := range w.answered {
		if last := time.Duration(w.answered[i].Load()); last < w.sim.Elapsed()-10*time.Second {
			stuck++
		}
	}
	if stuck > 0 {
		t.Errorf("%d of %d workers have had no answer for 10 s", stuck, len(w.answered))
	}
}

// NoAnswer is the message of that failure, after the number of workers.
const NoAnswer = "workers have had no answer for 10 s"

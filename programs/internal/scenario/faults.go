package scenario

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// Work is a piece of work that a client does repeatedly. It connects if
// necessary, and returns at the latest when its context ends.
type Work func(ctx context.Context) error

// Faults returns a simulation in which random faults occur for a minute, while
// the client works. The results are noted. When the faults are over, its work
// must succeed again.
func Faults(start func(t *testing.T, sim *simtest.Sim) Work) Func {
	return func(t *testing.T, sim *simtest.Sim, o *Outcome) {
		work := start(t, sim)
		for range 10 {
			disturb(sim)
		}
		for sim.Elapsed() < faults+maxFault {
			o.Note("%v: %v", sim.Elapsed(), try(t, work))
			time.Sleep(73 * time.Millisecond)
		}
		err := try(t, work)
		for tries := 1; err != nil && tries < 10; tries++ {
			time.Sleep(time.Second)
			err = try(t, work)
		}
		assert.NoError(t, err, "when all faults are over")
	}
}

const (
	faults   = time.Minute // in which faults begin
	maxFault = 5 * time.Second
	patience = 10 * time.Second // for one piece of work
)

// try does one piece of work.
func try(t *testing.T, work Work) error {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return work(ctx)
}

// disturb starts a random fault of the network or the server, for some time.
func disturb(sim *simtest.Sim) {
	server := sim.Host("server")
	all := []struct{ begin, end func() }{
		{func() { sim.Partition([]string{"client"}, []string{"server"}) }, func() { sim.Heal() }},
		{server.Crash, server.Restart},
		{server.Kill, server.Restart},
		{func() { sim.Reset("client", "server") }, func() {}},
		{func() { sim.Hold("client", "server") }, func() { sim.Release("client", "server") }},
		{server.Pause, server.Resume},
	}
	fault := all[sim.Rand().IntN(len(all))]
	at := time.Duration(sim.Rand().Int64N(int64(faults)))
	sim.At(at, fault.begin)
	sim.At(at+time.Duration(sim.Rand().Int64N(int64(maxFault))), fault.end)
}

// Package unmodified runs programs that do not accept connections from outside,
// but call the net package, in the simulator. It needs the overlay: slownet
// test.
package unmodified

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	latency   = 20 * time.Millisecond
	roundTrip = 2 * latency
	partition = 30 * time.Second
)

// run runs a simulation twice, and both runs must have the same events.
func run(t *testing.T, f func(t *testing.T, sim *simtest.Sim)) {
	t.Helper()
	if !simtest.Overlay().Net {
		t.Skip("this needs the overlay: run it with slownet test")
	}
	simtest.CheckDeterminism(t, simtest.Config{Link: netem.Link{Latency: latency}}, func(t *testing.T, sim *simtest.Sim) {
		f(t, sim)
		t.Log(sim.Trace().Digest())
	})
}

// cut cuts a host off from all others for 30 seconds.
func cut(sim *simtest.Sim, host string) {
	sim.Partition([]string{host})
	sim.At(sim.Elapsed()+partition, func() { sim.Heal() })
}

// on runs f on a host until f returns, which must be without an error.
func on(t *testing.T, sim *simtest.Sim, host string, f func(ctx context.Context) error) {
	t.Helper()
	done := make(chan error, 1)
	sim.Host(host).Run(func(ctx context.Context) error {
		done <- f(ctx)
		return nil
	})
	require.NoError(t, <-done)
}

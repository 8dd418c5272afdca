package simtest_test

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// If a path becomes so slow that the retransmission timer expires before the first
// acknowledgement, its timestamp shows that nothing was lost, and the timer adapts:
// over the same path, at a byte a millisecond, Linux 6.18 takes 105.47 s for 100 KB.
// The link alone takes 103.7 s, headers included.
func TestPathThatBecomesSlow(t *testing.T) {
	simtest.Config{Link: netem.Link{Latency: 100 * ms}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		server, client := connected(t, sim)
		for range 3 {
			write1(t, client, 'x')
			read1(t, server, 'x')
			write1(t, server, 'x')
			read1(t, client, 'x')
		}
		sim.Settle()
		sim.SetLink("a", "b", netem.Link{Latency: 100 * ms, Rate: 8 * netem.Kbps})
		start := sim.Elapsed()
		go func() { _, _ = server.Write(make([]byte, 100_000)) }()
		_, err := io.ReadFull(client, make([]byte, 100_000))
		require.NoError(t, err)
		assert.InEpsilon(t, 105.47, (sim.Elapsed() - start).Seconds(), 0.005)
	})
}

// A flight that arrives at one instant, as over a link without a rate, opens the
// receive window like one whose packets arrive one after another.
func TestFlightsThatArriveAtOnceOpenTheWindow(t *testing.T) {
	took := func(link netem.Link) (took time.Duration) {
		simtest.Config{Link: link}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			server, client := connected(t, sim)
			start := sim.Elapsed()
			go func() { _, _ = server.Write(make([]byte, 10_000_000)) }()
			_, err := io.ReadFull(client, make([]byte, 10_000_000))
			require.NoError(t, err)
			took = sim.Elapsed() - start
		})
		return took
	}
	assert.Equal(t, 1150*ms, took(netem.Link{Latency: 50 * ms}))
	assert.InDelta(t, 1150*ms, took(netem.Link{Latency: 50 * ms, Rate: 100 * netem.Gbps}), float64(ms))
}

package simtest_test

import (
	"io"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The smallest MTU of the path applies.
func TestLeastMTUOfTheWay(t *testing.T) {
	for _, at := range []string{"Up", "link", "Down"} {
		var largest atomic.Int64
		config := simtest.Config{Trace: func(e trace.Event) { largest.Store(max(largest.Load(), int64(e.Length))) }}
		withEach(t, config, func(t *testing.T, sim *simtest.Sim, _ bool) {
			largest.Store(0)
			links := map[string]netem.Link{"Up": {Rate: netem.Mbps}, "link": {Rate: netem.Mbps}, "Down": {Rate: netem.Mbps}}
			links[at] = netem.Link{Rate: netem.Mbps, MTU: 600}
			sim.Host("a").SetAccess(netem.Profile{Up: links["Up"]})
			sim.SetLink("a", "b", links["link"])
			sim.Host("b").SetAccess(netem.Profile{Down: links["Down"]})
			client, server := connected(t, sim)
			go func() { _, _ = client.Write(make([]byte, 60_000)) }()
			_, err := io.CopyN(io.Discard, server, 60_000)
			require.NoError(t, err)
			arrivals := receive(t, sim, "b")
			sendTo(t, sim, "a", "b", "1", 600)
			sendTo(t, sim, "a", "b", "2", 601)
			time.Sleep(time.Second)
			assert.Regexp(t, "^1 [^,]*$", arrivals())
			assert.EqualValues(t, 601, largest.Load(), "of the datagram that was dropped")
		})
	}
}

// A datagram that exceeds the MTU of an access with only latency is dropped.
func TestLargeDatagramOnAnAccess(t *testing.T) {
	var reasons []string
	drops(&reasons).Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.Host("b").SetAccess(netem.Profile{Down: netem.Link{MTU: 600}})
		arrivals := receive(t, sim, "b")
		sendTo(t, sim, "a", "b", "1", 601)
		sendTo(t, sim, "a", "b", "2", 600)
		sim.Settle()
		assert.Equal(t, "2 0s", arrivals())
	})
	assert.Equal(t, []string{"larger than the MTU, b's Down"}, reasons)
}

// An access can be an MTU black hole.
func TestAccessIsAnMTUBlackHole(t *testing.T) {
	withEach(t, simtest.Config{Link: netem.Link{Latency: 10 * ms}}, func(t *testing.T, sim *simtest.Sim, _ bool) {
		sim.Host("b").SetAccess(netem.Profile{Down: netem.Link{MTU: 1400, DropOversize: true}})
		client, server := connected(t, sim)
		passThenVanish(t, client, server)
		_, err := client.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ETIMEDOUT)
	})
}

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

// A segment is as large as the link's MTU allows, beginning with the first segment
// after a change, even a change from zero links, which carry packets of loopback's
// size. A byte takes a millisecond here, and each segment has 52 of headers.
func TestSegmentsAreAsLargeAsTheLinkAllows(t *testing.T) {
	slow := netem.Link{Rate: 8 * netem.Kbps}
	jumbo, small := slow, slow
	jumbo.MTU, small.MTU = 9000, 500
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		took := func(n int) time.Duration {
			start := sim.Elapsed()
			_, err := client.Write(make([]byte, n))
			require.NoError(t, err)
			_, err = io.ReadFull(server, make([]byte, n))
			require.NoError(t, err)
			took := sim.Elapsed() - start
			time.Sleep(time.Minute)
			return took
		}
		assert.Zero(t, took(50_000))
		sim.SetLink("a", "b", slow)
		assert.Equal(t, 3000*ms, took(2*1448))
		sim.SetLink("a", "b", jumbo)
		sim.SetLink("b", "a", netem.Link{MTU: 9000})
		assert.Equal(t, 9000*ms, took(8948))
		sim.SetLink("a", "b", small)
		assert.Equal(t, 1000*ms, took(2*448))
		sim.SetProfile("a", "b", netem.Profile{})
		assert.Zero(t, took(50_000))
		sim.Host("b").SetAccess(netem.Profile{Down: slow})
		assert.Equal(t, 3000*ms, took(2*1448))
	})
}

package simtest_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A connection that both ends have closed for writing cannot be closed again in
// one direction, as soon as the end knows: when its own end of stream has been
// acknowledged, and not when it has arrived.
func TestHalfCloseAfterBothEnds(t *testing.T) {
	checkHalfCloseAfterBothEnds(t, netem.TCP{Congestion: netem.Unlimited})
	checkHalfCloseAfterBothEnds(t, netem.TCP{Congestion: netem.Reno})
}

func checkHalfCloseAfterBothEnds(t *testing.T, tcp netem.TCP) {
	t.Helper()
	simtest.Config{TCP: tcp, Link: netem.Link{Latency: 100 * ms}, KeepPools: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		require.NoError(t, server.(half).CloseWrite())
		time.Sleep(100 * ms) // it has arrived
		require.NoError(t, client.(half).CloseWrite())
		time.Sleep(199 * ms) // that has arrived, too
		assert.NoError(t, client.(half).CloseRead())
		time.Sleep(2 * ms) // and has been acknowledged
		assert.ErrorIs(t, client.(half).CloseRead(), syscall.ENOTCONN)
	})
}

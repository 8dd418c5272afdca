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

// A connection that both ends have closed for writing cannot be closed again in one
// direction. This holds as soon as the end knows: when its own end of stream has been
// acknowledged, and not already when that has arrived.
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

// Reading the last bytes after the peer has ended its stream sends no window update:
// the peer sends nothing more and has forgotten the connection, and would answer with a
// reset.
func TestReaderThatComesAfterTheEnd(t *testing.T) {
	var last atomic.Int64 // when the last event was
	note := func(e trace.Event) { last.Store(int64(e.At)) }
	simtest.Config{Trace: note, Link: netem.Link{Latency: 100 * ms}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		require.NoError(t, client.(half).CloseWrite())
		n, err := server.Write(make([]byte, 60_000)) // most of the window
		require.NoError(t, err)
		require.NoError(t, server.(half).CloseWrite())
		time.Sleep(time.Hour)
		ended := last.Load()
		_, err = io.ReadFull(client, make([]byte, n/2))
		require.NoError(t, err)
		time.Sleep(time.Hour)
		text, err := io.ReadAll(client)
		require.NoError(t, err)
		assert.Len(t, text, n-n/2)
		time.Sleep(time.Hour)
		assert.Equal(t, ended, last.Load(), "nothing more happens")
	})
}

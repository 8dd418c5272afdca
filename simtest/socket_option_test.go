package simtest_test

import (
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// buffers are the options that set the size of a connection's buffers.
type buffers interface {
	SetReadBuffer(bytes int) error
	SetWriteBuffer(bytes int) error
}

// overCUBIC runs a simulation with the kernel's TCP, and links of 50 ms.
func overCUBIC(t *testing.T, congestion netem.Congestion, f func(t *testing.T, sim *simtest.Sim)) {
	simtest.Config{TCP: netem.TCP{Congestion: congestion}, Link: netem.Link{Latency: latency}, KeepPools: true}.Run(t, f)
}

// accepted returns the number of bytes that can be written if the peer reads nothing.
func accepted(t *testing.T, c net.Conn) int {
	require.NoError(t, c.SetWriteDeadline(time.Now().Add(10*time.Second)))
	n, err := c.Write(make([]byte, 16<<20))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	return n
}

// A writer whose peer reads nothing fills the buffers that both ends have set, which
// have twice the requested sizes. At the reader, a segment takes 2,304 bytes for 1,448
// of payload.
func TestBuffersOfSockets(t *testing.T) {
	overCUBIC(t, netem.CUBIC, func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		require.NoError(t, client.(buffers).SetWriteBuffer(32<<10))
		require.NoError(t, server.(buffers).SetReadBuffer(64<<10))
		assert.InDelta(t, 64<<10+128<<10*netem.MSS/2304, accepted(t, client), 2000)
		require.NoError(t, client.(buffers).SetWriteBuffer(64<<10))
		assert.InDelta(t, 64<<10, accepted(t, client), 2000, "there is more room than before")
	})
	overCUBIC(t, netem.Unlimited, func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		require.NoError(t, client.(buffers).SetWriteBuffer(1))
		require.NoError(t, server.(buffers).SetReadBuffer(1))
		assert.Equal(t, 1<<20, accepted(t, client), "the options change nothing on an ideal stream")
	})
}

// A waiting writer continues when its buffer grows. (The reader has advertised 64 KiB
// by then, whatever it sets now.)
func TestALargerWriteBufferWakesItsWriter(t *testing.T) {
	overCUBIC(t, netem.CUBIC, func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		require.NoError(t, client.(buffers).SetWriteBuffer(0))
		require.NoError(t, server.(buffers).SetReadBuffer(0))
		written := make(chan error, 1)
		go func() {
			_, err := client.Write(make([]byte, 150_000))
			written <- err
		}()
		time.Sleep(10 * time.Second)
		assert.Empty(t, written)
		require.NoError(t, client.(buffers).SetWriteBuffer(64<<10))
		start := sim.Elapsed()
		assert.NoError(t, <-written)
		assert.Equal(t, start, sim.Elapsed())
		n, err := io.CopyN(io.Discard, server, 150_000)
		assert.NoError(t, err, "after %d bytes", n)
	})
}

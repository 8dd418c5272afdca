package slownet

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A long latency does not make the read-ahead take everything that arrives on an ideal
// stream. It goes on when the reader has read something.
func TestFlightToTheReaderIsBounded(t *testing.T) {
	overPipe(t, ideal(bothWays(netem.Link{Latency: time.Hour})), func(t *testing.T, conn *Conn, far net.Conn) {
		var written atomic.Int64
		go func() {
			buffer := make([]byte, bufferSize)
			for written.Load() < 2*maxFlight {
				n, err := far.Write(buffer)
				if written.Add(int64(n)); err != nil {
					return
				}
			}
		}()
		buffer := make([]byte, maxFlight-bufferSize)
		_, err := io.ReadFull(conn, buffer[:1])
		require.NoError(t, err)
		before := written.Load()
		assert.GreaterOrEqual(t, before, int64(maxFlight))
		assert.LessOrEqual(t, before, int64(maxFlight+2*bufferSize))
		time.Sleep(time.Minute)
		_, err = io.ReadFull(conn, buffer)
		require.NoError(t, err)
		time.Sleep(time.Minute)
		assert.Greater(t, written.Load(), before)
	})
}

// Received bytes of an ideal stream take their room in the link's queue at once, so the
// peer's writer proceeds.
func TestQueueToTheReader(t *testing.T) {
	overPipe(t, ideal(bothWays(netem.Link{Rate: 12 * netem.Kbps, Queue: netem.Queue{Bytes: 10000}})), func(t *testing.T, conn *Conn, far net.Conn) {
		arrivals := readAll(conn)
		start := time.Now()
		for range 4 {
			_, err := far.Write(make([]byte, 1500))
			require.NoError(t, err)
		}
		assert.Zero(t, time.Since(start))
		require.NoError(t, far.Close())
		assert.Equal(t, []arrival{{1500, time.Second}, {1500, 2 * time.Second}, {1500, 3 * time.Second}, {1500, 4 * time.Second}, {0, 4 * time.Second}}, <-arrivals)
	})
}

// The end of the stream that CloseAfter causes also takes the link's latency.
func TestEndAfterCloseAfterTakesItsTime(t *testing.T) {
	overPipe(t, bothWays(netem.Link{Latency: time.Second}), func(t *testing.T, conn *Conn, far net.Conn) {
		start := time.Now()
		conn.CloseAfter(Write, 0)
		_, err := conn.Read(make([]byte, 1))
		assert.Equal(t, io.EOF, err)
		assert.Equal(t, time.Second, time.Since(start))
	})
}

// Bytes that were taken from an inner connection that times out by itself come
// first, even if the link no longer has limits.
func TestUnreadBytesComeFirst(t *testing.T) {
	overIdlePipe(t, bothWays(netem.Link{Latency: time.Second}), 100*ms, func(t *testing.T, conn *Conn, far net.Conn) {
		go func() { _, _ = far.Write([]byte("123")) }()
		one := make([]byte, 1)
		for i, want := range "123" {
			if i == 1 {
				conn.SetLinks(netem.Link{}, netem.Link{})
			}
			n, err := conn.Read(one)
			require.NoError(t, err)
			require.Equal(t, string(want), string(one[:n]))
		}
	})
}

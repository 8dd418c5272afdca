package slownet

import (
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// After a reset, CloseWrite says so, as Write does.
func TestCloseWriteAfterAReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := NewConn(newSink(), bothWays(netem.Link{Latency: ms}))
		conn.Reset()
		assert.ErrorIs(t, conn.CloseWrite(), syscall.ECONNRESET)
		require.NoError(t, conn.Close())
	})
}

// The end of the stream comes once, however often CloseWrite is called.
func TestCloseWriteTwice(t *testing.T) {
	for _, link := range []netem.Link{{}, {Latency: ms}} {
		synctest.Test(t, func(t *testing.T) {
			inner := newSink()
			conn := NewConn(inner, bothWays(link))
			for range 2 {
				require.NoError(t, conn.CloseWrite())
				time.Sleep(time.Second)
			}
			got, _ := inner.got()
			assert.Equal(t, []arrival{{0, link.Latency}}, got)
			require.NoError(t, conn.Close())
		})
	}
}

// An endless sink cannot end the stream.
type endless struct{ *sink }

var errEndless = errors.New("it has no end")

func (endless) CloseWrite() error { return errEndless }

// Where the inner connection cannot end the stream, it goes on.
func TestWriteAfterACloseWriteThatFailed(t *testing.T) {
	for _, link := range []netem.Link{{}, {MTU: 1500}} {
		synctest.Test(t, func(t *testing.T) {
			conn := NewConn(endless{newSink()}, bothWays(link))
			assert.ErrorIs(t, conn.CloseWrite(), errEndless)
			_, err := conn.Write([]byte("on"))
			assert.NoError(t, err)
			require.NoError(t, conn.Close())
		})
	}
}

// The end of the stream waits for the pace as a byte does, also after bytes that
// have waited in the queue.
func TestEndOfStreamAfterAQueue(t *testing.T) {
	for _, queue := range []int{0, 1000} {
		synctest.Test(t, func(t *testing.T) {
			inner := newSink()
			conn := NewConn(inner, Config{Write: netem.Link{Queue: queue, Pace: netem.Pace{Bytes: 100, Wait: 100 * ms}}})
			_, err := conn.Write(make([]byte, 200))
			require.NoError(t, err)
			require.NoError(t, conn.CloseWrite())
			require.NoError(t, conn.Drain(t.Context()))
			got, _ := inner.got()
			assert.Equal(t, []arrival{{100, 0}, {100, 100 * ms}, {0, 200 * ms}}, got)
			require.NoError(t, conn.Close())
		})
	}
}

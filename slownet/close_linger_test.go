package slownet

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A lingering connection records the last argument of SetLinger.
type lingering struct {
	net.Conn
	seconds atomic.Int32
}

func (l *lingering) SetLinger(seconds int) error {
	l.seconds.Store(int32(seconds))
	return nil
}

// A breaking connection accepts one byte, and no more.
type breaking struct{ lingering }

func (b *breaking) Write([]byte) (int, error) { return 1, io.ErrShortWrite }

// If the inner connection did not accept all written bytes, it is reset: the
// peer must not mistake the part that has arrived for the whole.
func TestCloseAfterAnErrorInFlightIsAReset(t *testing.T) {
	for word, want := range map[string]string{
		"word": "slownet: drain: the last 3 bytes that were written were discarded: short write",
		"at":   "slownet: drain: the last byte that was written was discarded: short write",
	} {
		synctest.Test(t, func(t *testing.T) {
			near, _ := net.Pipe()
			inner := &breaking{lingering{Conn: near}}
			inner.seconds.Store(-1)
			conn := NewConn(inner, bothWays(netem.Link{Latency: time.Second}))
			_, err := conn.Write([]byte(word))
			require.NoError(t, err)
			time.Sleep(2 * time.Second)
			require.NoError(t, conn.Close())
			assert.EqualError(t, conn.Drain(t.Context()), want)
			assert.Zero(t, inner.seconds.Load())
		})
	}
}

// Drain reports an end of stream that a close has discarded.
func TestDrainReportsTheEndOfStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := NewConn(newSink(), bothWays(netem.Link{Latency: time.Second}))
		require.NoError(t, conn.CloseWrite())
		require.NoError(t, conn.SetLinger(0))
		require.NoError(t, conn.Close())
		assert.EqualError(t, conn.Drain(t.Context()), "slownet: drain: the end of the stream was discarded: SetLinger(0): use of closed network connection")
	})
}

// An empty read reports that the connection is closed, as on a socket.
func TestEmptyReadAfterClose(t *testing.T) {
	overPipe(t, bothWays(netem.Link{Latency: ms}), func(t *testing.T, conn *Conn, far net.Conn) {
		n, err := conn.Read(nil)
		assert.NoError(t, err)
		assert.Zero(t, n)
		require.NoError(t, conn.Close())
		_, err = conn.Read(nil)
		assert.ErrorIs(t, err, net.ErrClosed)
	})
}

// Close leaves no read-ahead goroutine, so a bubble may end at once.
func TestBubbleEndsWhileBytesArriveForAClosedConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		conn := NewConn(near, bothWays(netem.Link{Latency: time.Second}))
		go func() { _, _ = conn.Read(make([]byte, 1)) }()
		_, err := far.Write([]byte("x"))
		require.NoError(t, err)
		_, err = conn.Write([]byte("x"))
		require.NoError(t, err)
		synctest.Wait()
		require.NoError(t, conn.Close())
	})
}

// SetLinger(0) concerns Close: until then a connection works as before.
func TestSetLingerBeforeClose(t *testing.T) {
	overPipe(t, bothWays(netem.Link{Latency: time.Second}), func(t *testing.T, conn *Conn, far net.Conn) {
		_, err := conn.Write([]byte("one "))
		require.NoError(t, err)
		require.NoError(t, conn.SetLinger(0))
		_, err = conn.Write([]byte("two"))
		require.NoError(t, err)
		got := make([]byte, 7)
		_, err = io.ReadFull(far, got)
		require.NoError(t, err)
		assert.Equal(t, "one two", string(got))
	})
}

// If the peer accepts nothing for five seconds after a close, it is reset.
func TestCloseThatGetsStuckIsAReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, _ := net.Pipe()
		inner := &lingering{Conn: near}
		inner.seconds.Store(-1)
		conn := NewConn(inner, bothWays(netem.Link{Latency: time.Second}))
		_, err := conn.Write([]byte("word"))
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		assert.EqualError(t, conn.Drain(t.Context()), "slownet: drain: the last 4 bytes that were written were discarded: nothing moved for 5s after the close")
		assert.Zero(t, inner.seconds.Load())
	})
}

// On a clock that is advanced by an hour at once, bytes written before the close
// arrive.
func TestCloseAndAClockThatJumps(t *testing.T) {
	for range 200 {
		mock := clock.NewMock()
		inner := newSink()
		conn := NewConn(inner, Config{Write: netem.Link{Latency: time.Second}, Clock: mock})
		for range 3 {
			_, err := conn.Write([]byte("word"))
			require.NoError(t, err)
		}
		require.NoError(t, conn.Close())
		mock.Add(time.Hour)
		require.NoError(t, conn.Drain(t.Context()))
	}
}

// A listener forgets closed connections.
func TestListenerForgetsClosedConnections(t *testing.T) {
	s := serve(t, Config{})
	for range 3 {
		_, conn := s.connect()
		assert.Len(t, s.undrained(), 1)
		require.NoError(t, conn.Close())
		require.NoError(t, conn.Drain(t.Context()))
		assert.Empty(t, s.undrained())
	}
}

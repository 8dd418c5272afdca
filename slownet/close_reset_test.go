package slownet

import (
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A resettable sink records whether it was closed with a reset.
type resettable struct {
	*sink
	reset atomic.Bool
}

func (r *resettable) SetLinger(seconds int) error {
	r.reset.Store(seconds == 0)
	return nil
}

// overResettable runs a test in a bubble. The sink's other end is far.
func overResettable(t *testing.T, config Config, test func(t *testing.T, conn *Conn, inner *resettable, far net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		inner := &resettable{sink: &sink{Conn: near, born: time.Now(), closed: -1}}
		test(t, NewConn(inner, config), inner, far)
		_ = far.Close()
	})
}

// wantClosed checks the time at which the sink was closed, and whether that was a reset.
func (r *resettable) wantClosed(t *testing.T, at time.Duration, reset bool) {
	t.Helper()
	_, closed := r.got()
	assert.Equal(t, at, closed)
	assert.Equal(t, reset, r.reset.Load(), "a reset")
}

// leaveUnread makes some bytes arrive, and reads only the first one.
func leaveUnread(t *testing.T, conn *Conn, far net.Conn) {
	go func() { _, _ = far.Write([]byte("unread")) }()
	_, err := conn.Read(make([]byte, 1))
	require.NoError(t, err)
}

// After the end of the stream has arrived, the reset that unread bytes cause
// crosses the link too.
func TestResetAfterTheEndOfTheStreamCrossesTheLink(t *testing.T) {
	overResettable(t, bothWays(netem.Link{Latency: time.Second}), func(t *testing.T, conn *Conn, inner *resettable, far net.Conn) {
		require.NoError(t, conn.CloseWrite())
		leaveUnread(t, conn, far)
		time.Sleep(time.Minute - time.Since(bubbleStart))
		require.NoError(t, conn.Close())
		require.NoError(t, conn.Drain(t.Context()))
		got, _ := inner.got()
		assert.Equal(t, []arrival{{0, time.Second}}, got)
		inner.wantClosed(t, time.Minute+time.Second, true)
	})
}

// A connection that a middlebox has closed sends no reset when it is closed, even
// with unread bytes: both ends see the end of the stream.
func TestCloseAfterSendsNoReset(t *testing.T) {
	overResettable(t, bothWays(netem.Link{Latency: time.Second}), func(t *testing.T, conn *Conn, inner *resettable, far net.Conn) {
		leaveUnread(t, conn, far)
		_, err := conn.Write([]byte("word"))
		require.NoError(t, err)
		conn.CloseAfter(Write, 0)
		require.NoError(t, conn.Close())
		require.NoError(t, conn.Drain(t.Context()))
		got, _ := inner.got()
		assert.Equal(t, []arrival{{4, 2 * time.Second}}, got)
		inner.wantClosed(t, 2*time.Second, false)
	})
}

// The peer misses bytes that are discarded before they enter the link, so it
// sees a reset; a stall holds the reset up.
func TestStallOfAQueueEndsInAReset(t *testing.T) {
	pace := netem.Link{Queue: netem.Queue{Bytes: 1000}, Pace: netem.Pace{Bytes: 100, Wait: time.Second}}
	overResettable(t, Config{Write: pace}, func(t *testing.T, conn *Conn, inner *resettable, _ net.Conn) {
		_, err := conn.Write(make([]byte, 200))
		require.NoError(t, err)
		time.Sleep(500 * ms)
		conn.Stall()
		require.NoError(t, conn.Close())
		assert.ErrorContains(t, conn.Drain(t.Context()), "the last 100 bytes that were written were discarded: nothing moved")
		got, _ := inner.got()
		assert.Equal(t, []arrival{{100, 0}}, got)
		inner.wantClosed(t, time.Second+maxStall, true)
	})
}

// SetLinger(0) discards nothing on a connection on which nothing was written.
func TestDrainAfterAResetOfNothing(t *testing.T) {
	overResettable(t, Config{Write: netem.Link{Latency: time.Second}}, func(t *testing.T, conn *Conn, inner *resettable, _ net.Conn) {
		require.NoError(t, conn.SetLinger(0))
		require.NoError(t, conn.Close())
		assert.NoError(t, conn.Drain(t.Context()))
		inner.wantClosed(t, 0, true)
	})
}

// A failing connection accepts no bytes, like a connection that the peer has closed.
type failing struct{ *resettable }

func (failing) Write([]byte) (int, error) { return 0, errno("write", syscall.EPIPE) }

// After a write has failed nothing more crosses the link, so Close takes effect
// at once.
func TestCloseAfterAnErrorIsNotLate(t *testing.T) {
	overResettable(t, Config{}, func(t *testing.T, _ *Conn, inner *resettable, _ net.Conn) {
		conn := NewConn(failing{inner}, Config{Write: netem.Link{Latency: time.Second}})
		_, err := conn.Write([]byte("word"))
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.NoError(t, conn.Close())
		assert.ErrorIs(t, conn.Drain(t.Context()), syscall.EPIPE)
		inner.wantClosed(t, time.Minute, true)
	})
}

var errClose = errors.New("close failed")

// failingClose is a connection whose Close fails.
type failingClose struct{ *sink }

func (failingClose) Close() error { return errClose }

// If the end of the stream arrives as it leaves, Close closes the inner
// connection itself, and returns its error.
func TestCloseReturnsTheErrorOfTheInnerConnection(t *testing.T) {
	for _, link := range []netem.Link{{}, {MTU: 1500}, {Pace: netem.Pace{Bytes: 100, Wait: time.Second}}} {
		synctest.Test(t, func(t *testing.T) {
			conn := NewConn(failingClose{newSink()}, Config{Write: link})
			assert.ErrorIs(t, conn.Close(), errClose)
		})
	}
}

// Bytes arrive on time although others wait in the queue for longer.
func TestArrivalBeforeTheNextLeavesTheQueue(t *testing.T) {
	link := netem.Link{Queue: netem.Queue{Bytes: 1000}, Latency: 100 * ms, Pace: netem.Pace{Bytes: 100, Wait: time.Second}}
	synctest.Test(t, func(t *testing.T) {
		inner := newSink()
		conn := NewConn(inner, Config{Write: link})
		_, err := conn.Write(make([]byte, 200))
		require.NoError(t, err)
		require.NoError(t, conn.Drain(t.Context()))
		got, _ := inner.got()
		assert.Equal(t, []arrival{{100, 100 * ms}, {100, 1100 * ms}}, got)
		require.NoError(t, shut(conn))
	})
}

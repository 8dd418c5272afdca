package slownet

import (
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A connectedMemory is a memoryConn that is a net.Conn, too.
type connectedMemory struct{ *memoryConn }

func (c connectedMemory) RemoteAddr() net.Addr        { return c.peer.name }
func (c connectedMemory) Write(p []byte) (int, error) { return c.WriteTo(p, c.peer.name) }
func (c connectedMemory) Read(p []byte) (int, error) {
	n, _, err := c.ReadFrom(p)
	return n, err
}

// On a connected socket, a waiting reader gets the error of a datagram in
// flight, as the error may mean that the peer does not exist.
func TestPacketErrorInFlightMeetsAReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, _ := memoryPair()
		near.err = syscall.ECONNREFUSED
		c := NewPacketConn(connectedMemory{near}, Config{Write: netem.Link{Latency: ms}})
		start := time.Now()
		_, err := c.Write([]byte("anybody?"))
		require.NoError(t, err)
		require.NoError(t, c.SetReadDeadline(start.Add(time.Minute)))
		_, err = c.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ECONNREFUSED)
		assert.Equal(t, ms, time.Since(start))
		_, err = c.Write([]byte("it was told"))
		assert.NoError(t, err)
		require.NoError(t, shut(c))
	})
}

// Drain does not repeat an error that a write has returned.
func TestPacketErrorThatWasReturnedIsNoLoss(t *testing.T) {
	packetBubble(t, Config{Write: netem.Link{Latency: ms}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		far.peer.set(func(m *memoryConn) { m.err = syscall.ENETUNREACH })
		writeTo(t, c, "lost")
		time.Sleep(time.Second)
		_, err := c.WriteTo([]byte("told"), far.name)
		require.ErrorIs(t, err, syscall.ENETUNREACH)
		writeTo(t, c, "arrives")
		require.NoError(t, shut(c))
		assert.Equal(t, []string{"arrives"}, names(far.got()))
	})
}

// After Close no write can return an error, so Drain does.
func TestPacketErrorAfterCloseIsALoss(t *testing.T) {
	packetBubble(t, Config{Write: netem.Link{Latency: ms}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		far.peer.set(func(m *memoryConn) { m.err = syscall.ENETUNREACH })
		writeTo(t, c, "lost", "arrives")
		err := shut(c)
		assert.ErrorIs(t, err, syscall.ENETUNREACH)
		assert.ErrorContains(t, err, "drain: 1 datagram that was written was discarded")
		assert.Equal(t, []string{"arrives"}, names(far.got()))
	})
}

// A trace reports datagrams that the inner connection rejected, and datagrams that
// were discarded.
func TestPacketTraceOfLostDatagrams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog()
		near, far := memoryPair()
		c := NewPacketConn(near, Config{Write: netem.Link{Latency: time.Second}, Trace: log.trace})
		near.err = syscall.ENETUNREACH
		writeTo(t, c, "refused")
		time.Sleep(2 * time.Second)
		_, _ = c.WriteTo([]byte("told"), far.name)
		writeTo(t, c, "discarded")
		require.NoError(t, c.SetLinger(0))
		require.Error(t, shut(c))
		assert.Equal(t, []string{
			"0s write send 0+7",
			"1s write drop 0+7 " + syscall.ENETUNREACH.Error(),
			"2s write send 1+9",
			"2s write drop 1+9 closed",
		}, log.of(Write))
	})
}

// SetLinger(0) loses nothing if nothing is in flight.
func TestPacketLingerOfZeroLosesNothing(t *testing.T) {
	packetBubble(t, Config{Write: netem.Link{Latency: ms}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		writeTo(t, c, "arrives")
		time.Sleep(time.Second)
		require.NoError(t, c.SetLinger(0))
		require.NoError(t, shut(c))
		assert.Equal(t, []string{"arrives"}, names(far.got()))
	})
}

// A closing connection counts the calls of Close, and returns an error from it.
type closing struct {
	*memoryConn
	times atomic.Int32
}

var errClosing = errors.New("close failed")

func (c *closing) Close() error {
	c.times.Add(1)
	return errors.Join(c.memoryConn.Close(), errClosing)
}

// If nothing is in flight, Close closes the inner connection before it returns,
// so that its port is free, and returns its error.
func TestPacketCloseOfAnIdleConnection(t *testing.T) {
	near, _ := memoryPair()
	c := NewPacketConn(&closing{memoryConn: near}, Config{Write: netem.Link{Latency: ms}})
	assert.ErrorIs(t, c.Close(), errClosing)
	assert.NoError(t, c.Drain(t.Context()))
}

// The inner connection is closed once, even if the rest is discarded.
func TestPacketInnerConnectionIsClosedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, _ := memoryPair()
		inner := &closing{memoryConn: near}
		c := NewPacketConn(inner, Config{Write: netem.Link{Latency: time.Hour}})
		writeTo(t, c, "a")
		require.NoError(t, c.Close())
		require.NoError(t, c.SetLinger(0))
		require.Error(t, c.Drain(t.Context()))
		assert.EqualValues(t, 1, inner.times.Load())
	})
}

// A tardyClock fires timers of one second nine seconds late.
type tardyClock struct{ clock.Clock }

func (c tardyClock) AfterFunc(d time.Duration, f func()) *clock.Timer {
	if d == time.Second {
		d = 10 * time.Second
	}
	return c.Clock.AfterFunc(d, f)
}

// If only the timer is late, and not the inner connection, datagrams written
// before the close arrive.
func TestPacketCloseAndALateTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memoryPair()
		c := NewPacketConn(near, Config{Write: netem.Link{Latency: time.Second}, Clock: tardyClock{clock.New()}})
		writeTo(t, c, "before")
		time.Sleep(2 * time.Second)
		writeTo(t, c, "at the close")
		require.NoError(t, shut(c))
		assert.Equal(t, []sent{{"before", time.Second}, {"at the close", 12 * time.Second}}, far.got())
	})
}

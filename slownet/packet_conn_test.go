package slownet

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// packetBubble runs f in simulated time with a wrapper and the other end.
func packetBubble(t *testing.T, config Config, f func(t *testing.T, c *PacketConn, far *memoryConn)) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memoryPair()
		c := NewPacketConn(near, config)
		f(t, c, far)
		_ = c.SetLinger(0)
		_ = c.Close()
	})
}

// receive reads n datagrams, and returns them with the times at which they came.
func receive(t *testing.T, c *PacketConn, n int) (all []sent) {
	start := c.inner.(*memoryConn).born
	buffer := make([]byte, bufferSize)
	for range n {
		n, peer, err := c.ReadFrom(buffer)
		require.NoError(t, err)
		require.Equal(t, memoryName("far"), peer)
		all = append(all, sent{string(buffer[:n]), time.Since(start)})
	}
	return all
}

// numbered returns n names of datagrams.
func numbered(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprint(i))
	}
	return names
}

// allAt returns datagrams that all arrive at the given time.
func allAt(at time.Duration, names []string) (all []sent) {
	for _, name := range names {
		all = append(all, sent{name, at})
	}
	return all
}

// Memory for datagrams in flight and for unread ones is limited.
func TestPacketMemoryIsBounded(t *testing.T) {
	large := string(make([]byte, 64<<10-packetOverhead))
	packetBubble(t, Config{Write: netem.Link{Latency: time.Second}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		for range 1000 {
			writeTo(t, c, large)
		}
		time.Sleep(2 * time.Second)
		assert.Len(t, far.got(), maxFlight/(64<<10))
		c.Stall()
		for range 1000 {
			writeTo(t, c, "")
			writeTo(t, c, large)
		}
		assert.LessOrEqual(t, c.out.heldSize, maxFlight)
		assert.LessOrEqual(t, len(c.out.held), 1000)
	})
	packetBubble(t, Config{Read: netem.Link{Latency: time.Second}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		for range 1000 {
			far.send(t, large)
		}
		receive(t, c, 1) // the datagrams in flight have arrived
		time.Sleep(time.Minute)
		left := len(far.peer.got())
		assert.GreaterOrEqual(t, 1000-left, maxFlight/(64<<10))
		assert.LessOrEqual(t, 1000-left, 2*maxFlight/(64<<10))
		receive(t, c, 1000-left-1)
	})
}

// With a link without limits, the wrapper does nothing.
func TestPacketPlainCostsNothing(t *testing.T) {
	inner := &nothing{memoryConn: new(memoryConn)}
	c := NewPacketConn(inner, Config{})
	buffer := make([]byte, 100)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = c.WriteTo(buffer, nil)
		_, _, _ = c.ReadFrom(buffer)
	}))
	assert.Same(t, &buffer[0], inner.seen, "the caller's own buffer")
	require.NoError(t, c.Close())
}

// nothing is a connection that does nothing.
type nothing struct {
	*memoryConn
	seen *byte
}

func (n *nothing) ReadFrom(p []byte) (int, net.Addr, error) { n.seen = &p[0]; return 0, nil, nil }
func (n *nothing) WriteTo(p []byte, _ net.Addr) (int, error) {
	n.seen = &p[0]
	return len(p), nil
}

// The inner connection may have only the methods of a net.PacketConn.
func TestPacketConnOverAMinimalConn(t *testing.T) {
	for _, link := range []netem.Link{{}, {Latency: ms}} {
		packetBubble(t, Config{Read: link, Write: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
			assert.Nil(t, c.RemoteAddr())
			assert.Equal(t, memoryName("near"), c.LocalAddr())
			assert.Same(t, far.peer, c.NetPacketConn())
			_, err := c.Write([]byte("whither?"))
			assert.EqualError(t, err, "write memory near: write: destination address required")
			far.send(t, "x")
			buffer := make([]byte, 10)
			n, err := c.Read(buffer)
			require.NoError(t, err)
			assert.Equal(t, "x", string(buffer[:n]))
			_, err = c.SyscallConn()
			assert.ErrorIs(t, err, errors.ErrUnsupported)
			assert.ErrorIs(t, c.SetReadBuffer(1), errors.ErrUnsupported)
			assert.ErrorIs(t, c.SetWriteBuffer(1), errors.ErrUnsupported)
		})
	}
}

func TestNewPacketConnPanics(t *testing.T) {
	near, _ := memoryPair()
	assert.Panics(t, func() { NewPacketConn(near, Config{Read: netem.Link{Rate: -1}}) })
	c := NewPacketConn(near, Config{})
	assert.Panics(t, func() { c.SetLinks(netem.Link{}, netem.Link{Rate: -1}) })
	require.NoError(t, c.Close())
}

package slownet

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Unread datagrams that have arrived stay below 256 KiB; the rest is left in
// the inner connection.
func TestPacketUnreadIsBounded(t *testing.T) {
	packetBubble(t, Config{Read: netem.Link{Latency: 50 * ms}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		far.send(t, "first")
		receiving := make(chan []sent)
		go func() { receiving <- receive(t, c, 1) }()
		for range 1000 {
			time.Sleep(ms)
			far.send(t, string(make([]byte, 1000-packetOverhead)))
		}
		<-receiving
		left := len(far.peer.got())
		assert.Less(t, 1000-left, maxUnread/1000+100, "and what is in flight")
	})
}

// Close ends the read-ahead, even during a stall, so a bubble may end while
// written datagrams are in flight.
func TestBubbleEndsWhileDatagramsComeForAClosedConnection(t *testing.T) {
	for _, stalled := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			near, far := memoryPair()
			c := NewPacketConn(near, bothWays(netem.Link{Latency: time.Second}))
			go func() { _, _, _ = c.ReadFrom(make([]byte, 1)) }()
			far.send(t, "a")
			writeTo(t, c, "b")
			synctest.Wait()
			if stalled {
				c.Stall()
				far.send(t, "held up")
				synctest.Wait()
			}
			require.NoError(t, c.Close())
		})
	}
}

// A ponderousConn takes a while to return from a read.
type ponderousConn struct {
	*memoryConn
	takes time.Duration
}

func (c ponderousConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, peer, err := c.memoryConn.ReadFrom(p)
	if err == nil {
		time.Sleep(c.takes)
	}
	return n, peer, err
}

// A datagram that comes in just as the reader receives the last one enters the
// link, and later ones are read ahead, too.
func TestPacketComesWhileTheReaderGetsTheLastOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memoryPair()
		c := NewPacketConn(ponderousConn{near, ms}, Config{Read: netem.Link{Latency: 10 * ms}})
		go func() {
			far.send(t, "a") // sent at 1 ms, arrives at 11 ms
			time.Sleep(10*ms + ms/2)
			far.send(t, "b") // sent at 11.5 ms
			time.Sleep(2 * ms)
			far.send(t, "c")
		}()
		got := make([]byte, 1)
		var times []time.Duration
		for range 3 {
			_, _, err := c.ReadFrom(got)
			require.NoError(t, err)
			times = append(times, time.Since(near.born))
		}
		assert.Equal(t, []time.Duration{11 * ms, 21*ms + ms/2, 23*ms + ms/2}, times)
		require.NoError(t, c.Close())
	})
}

package slownet

import (
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The part of a datagram that does not fit into the reader's buffer is lost.
func TestPacketTruncation(t *testing.T) {
	for _, link := range []netem.Link{{}, {Latency: ms}} {
		packetBubble(t, Config{Read: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
			far.send(t, "12345", "67", "8", "9")
			for _, want := range []string{"123", "67", "8"} {
				buffer := make([]byte, 3)
				n, _, err := c.ReadFrom(buffer)
				require.NoError(t, err)
				assert.Equal(t, want, string(buffer[:n]))
			}
			n, peer, err := c.ReadFrom(nil)
			require.NoError(t, err)
			assert.Zero(t, n)
			assert.Equal(t, far.name, peer)
		})
	}
}

// A reader's buffer may be larger than the largest UDP datagram.
func TestPacketLargeDatagrams(t *testing.T) {
	packetBubble(t, Config{Read: netem.Link{Latency: ms}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		buffer := make([]byte, 3*bufferSize)
		for range 3 {
			far.send(t, string(make([]byte, 2*bufferSize)))
		}
		for range 3 {
			n, _, err := c.ReadFrom(buffer)
			require.NoError(t, err)
			assert.Equal(t, 2*bufferSize, n)
		}
	})
}

// A read error is returned after the datagrams that were read before it, and later reads
// succeed.
func TestPacketReadError(t *testing.T) {
	packetBubble(t, Config{Read: netem.Link{Latency: 10 * ms}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		far.send(t, "a", "b")
		go func() {
			time.Sleep(ms)
			far.peer.set(func(m *memoryConn) { m.readErr = syscall.ECONNREFUSED })
			time.Sleep(ms)
			far.send(t, "c")
		}()
		receive(t, c, 2)
		_, _, err := c.ReadFrom(nil)
		assert.ErrorIs(t, err, syscall.ECONNREFUSED)
		assert.Equal(t, []sent{{"c", 20 * ms}}, receive(t, c, 1))
	})
}

// A read error is returned even after the link has lost its limits.
func TestPacketReadErrorOutlivesTheLink(t *testing.T) {
	packetBubble(t, Config{Read: netem.Link{Latency: 10 * ms}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		far.send(t, "a")
		go func() {
			time.Sleep(ms)
			far.peer.set(func(m *memoryConn) { m.readErr = syscall.ECONNREFUSED })
			time.Sleep(ms)
			c.SetLinks(netem.Link{}, netem.Link{})
		}()
		receive(t, c, 1)
		require.NoError(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
		_, _, err := c.ReadFrom(nil)
		assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	})
}

// A small buffer does not truncate the datagrams for the next reader.
func TestPacketSmallReadThenALargeOne(t *testing.T) {
	packetBubble(t, Config{Read: netem.Link{Latency: ms}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		for _, room := range []int{3 * bufferSize, 1, 3 * bufferSize} {
			far.send(t, string(make([]byte, 2*bufferSize)), string(make([]byte, 2*bufferSize)))
			for _, room := range []int{room, 3 * bufferSize} {
				n, _, err := c.ReadFrom(make([]byte, room))
				require.NoError(t, err)
				assert.Equal(t, min(room, 2*bufferSize), n)
			}
		}
	})
}

// A datagram takes its full time even if the reader's buffer is small.
func TestPacketTakesItsTimeIntoASmallBuffer(t *testing.T) {
	packetBubble(t, Config{Read: netem.Link{Rate: netem.Mbps}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		start := time.Now()
		for _, want := range []time.Duration{8 * ms, 16 * ms} {
			far.send(t, string(make([]byte, 1000)))
			_, _, err := c.ReadFrom(make([]byte, 1))
			require.NoError(t, err)
			assert.Equal(t, want, time.Since(start))
		}
	})
}

// Latencies overlap however much has been read before.
func TestPacketReadAheadGoesOn(t *testing.T) {
	const many = 2 * maxUnread / 1000
	packetBubble(t, Config{Read: netem.Link{Latency: 50 * ms}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		start := time.Now()
		for round := range time.Duration(3) {
			for range many {
				far.send(t, string(make([]byte, 1000)))
			}
			receive(t, c, many)
			assert.Equal(t, (round+1)*50*ms, time.Since(start))
		}
	})
}

// A reader that has fallen behind makes room for new datagrams while it catches up, and not
// only once it has read everything.
func TestPacketReadAheadGoesOnWhileTheReaderCatchesUp(t *testing.T) {
	const many = 2 * maxUnread / 1000
	packetBubble(t, Config{Read: netem.Link{Latency: 50 * ms}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		for range many {
			far.send(t, string(make([]byte, 1000)))
		}
		receive(t, c, 1)
		time.Sleep(time.Second)
		far.send(t, "the last that is read ahead")
		synctest.Wait()
		far.send(t, "one for which there is no room")
		receive(t, c, many-1)
		time.Sleep(time.Second)
		receive(t, c, 1)
		last := receive(t, c, 1)
		assert.Equal(t, []sent{{"one for which there is no room", 2050 * ms}}, last)
	})
}

// A reader that waits for a datagram in flight gets another one that overtakes it.
func TestPacketReaderGetsAnOvertakingDatagram(t *testing.T) {
	packetBubble(t, Config{Read: netem.Link{Latency: 50 * ms}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		far.send(t, "slow")
		go func() {
			time.Sleep(ms)
			c.SetLinks(netem.Link{Latency: 10 * ms}, netem.Link{})
			time.Sleep(ms)
			far.send(t, "fast")
		}()
		assert.Equal(t, []sent{{"fast", 12 * ms}, {"slow", 50 * ms}}, receive(t, c, 2))
	})
}

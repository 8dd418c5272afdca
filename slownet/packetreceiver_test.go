package slownet

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What does not fit into the reader's buffer is lost.
func TestPacketTruncation(t *testing.T) {
	for _, link := range []Link{{}, {Latency: ms}} {
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

// A reader may have room for more than the largest datagram of UDP's.
func TestPacketLargeDatagrams(t *testing.T) {
	packetBubble(t, Config{Read: Link{Latency: ms}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
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

// A read error comes after what was read before it, and is no end.
func TestPacketReadError(t *testing.T) {
	packetBubble(t, Config{Read: Link{Latency: 10 * ms}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
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

package slownet

import (
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPacketCallerMayReuseItsBuffer(t *testing.T) {
	packetBubble(t, Config{Write: netem.Link{Latency: ms}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		buffer := []byte("first")
		_, err := c.WriteTo(buffer, far.name)
		require.NoError(t, err)
		copy(buffer, "other")
		time.Sleep(time.Second)
		assert.Equal(t, []sent{{"first", ms}}, far.got())
	})
}

// The error of a datagram in flight is returned once, by the next write.
func TestPacketPendingError(t *testing.T) {
	packetBubble(t, Config{Write: netem.Link{Latency: ms}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		far.peer.set(func(m *memoryConn) { m.err = syscall.ENETUNREACH })
		writeTo(t, c, "lost", "not lost")
		time.Sleep(time.Second)
		assert.Len(t, far.got(), 1)
		far.send(t, "readers do not mind")
		receive(t, c, 1)
		n, err := c.WriteTo([]byte("told"), far.name)
		assert.Zero(t, n)
		assert.ErrorIs(t, err, syscall.ENETUNREACH)
		assert.ErrorAs(t, err, new(*net.OpError))
		writeTo(t, c, "as if nothing had happened")
	})
	packetBubble(t, Config{Write: netem.Link{MTU: 1500}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		far.peer.set(func(m *memoryConn) { m.err = syscall.ENETUNREACH })
		_, err := c.WriteTo(nil, far.name)
		assert.ErrorIs(t, err, syscall.ENETUNREACH, "the write itself returns the error of a datagram that arrives at once")
	})
}

// Even during a stall, an empty queue takes a datagram that is larger than the queue.
func TestPacketStallKeepsADatagramThatIsLargerThanTheQueue(t *testing.T) {
	packetBubble(t, Config{Write: netem.Link{Queue: netem.Queue{Bytes: 4}}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		c.Stall()
		writeTo(t, c, "12345678", "a")
		c.Resume()
		require.NoError(t, shut(c))
		assert.Equal(t, []string{"12345678"}, names(far.got()))
	})
}

// The queue is empty again after a stall, so the next stall can fill all of it.
func TestPacketStallsDoNotUseUpTheQueue(t *testing.T) {
	packetBubble(t, Config{Write: netem.Link{Queue: netem.Queue{Bytes: 4}}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		for range 3 {
			c.Stall()
			writeTo(t, c, "ab", "cd", "e")
			c.Resume()
			time.Sleep(time.Second)
			assert.Equal(t, []string{"ab", "cd"}, names(far.got()))
		}
	})
}

// A datagram with a short latency arrives on time, even while an earlier one with a
// longer latency is in flight.
func TestPacketOvertakesADatagramInFlight(t *testing.T) {
	packetBubble(t, Config{Write: netem.Link{Latency: 50 * ms}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		writeTo(t, c, "slow")
		c.SetLinks(netem.Link{}, netem.Link{Latency: 10 * ms})
		time.Sleep(ms)
		writeTo(t, c, "fast")
		time.Sleep(time.Second)
		assert.Equal(t, []sent{{"fast", 11 * ms}, {"slow", 50 * ms}}, far.got())
	})
}

package slownet

import (
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
)

func TestPacketSetLinks(t *testing.T) {
	packetBubble(t, Config{}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		go func() {
			time.Sleep(ms)
			c.SetLinks(netem.Link{Latency: 10 * ms}, netem.Link{Latency: 20 * ms}) // while a read waits in the inner connection
			writeTo(t, c, "1")
			far.send(t, "a")
			time.Sleep(ms)
			c.SetLinks(netem.Link{}, netem.Link{})
			writeTo(t, c, "2")
			far.send(t, "b")
		}()
		assert.Equal(t, []sent{{"b", 2 * ms}, {"a", 11 * ms}}, receive(t, c, 2), "later datagrams may overtake earlier ones")
		time.Sleep(time.Second)
		assert.Equal(t, []sent{{"2", 2 * ms}, {"1", 21 * ms}}, far.got())
		c.out.awaitEnd()
		c.in.awaitEnd()
		writeTo(t, c, "x")
		assert.False(t, c.out.gate.isShut(), "datagrams go directly to the inner connection again")
	})
}

package slownet

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A writer may reuse the address at once, wherever the datagram is kept.
func TestAddressesAreCopied(t *testing.T) {
	for name, link := range packetLinks {
		for _, stalled := range []bool{false, true} {
			first, second := listenUDP(t), listenUDP(t)
			c := NewPacketConn(listenUDP(t), Config{Write: link})
			if stalled {
				c.Stall()
			}
			to := *first.LocalAddr().(*net.UDPAddr)
			_, err := c.WriteTo([]byte("first"), &to)
			require.NoError(t, err)
			to.Port = second.LocalAddr().(*net.UDPAddr).Port
			_, err = c.WriteTo([]byte("second"), &to)
			require.NoError(t, err)
			to.Port = 9
			c.Resume()
			for want, socket := range map[string]*net.UDPConn{"first": first, "second": second} {
				got := make([]byte, 100)
				require.NoError(t, socket.SetReadDeadline(time.Now().Add(10*time.Second)))
				n, err := socket.Read(got)
				require.NoError(t, err, name)
				assert.Equal(t, want, string(got[:n]), name)
			}
			require.NoError(t, c.Close())
		}
	}
}

// A stall does not hold an unlimited number of empty datagrams.
func TestMemoryOfAStallIsBounded(t *testing.T) {
	packetBubble(t, Config{Write: netem.Link{Queue: netem.Queue{Bytes: 1 << 30}}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		c.Stall()
		for range maxFlight/packetOverhead + 1000 {
			writeTo(t, c, "")
		}
		assert.Equal(t, maxFlight/packetOverhead, len(c.out.held))
	})
}

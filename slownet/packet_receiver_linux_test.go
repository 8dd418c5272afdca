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

// A read without room for control messages does not lose the control messages of the
// next datagram.
func TestControlMessagesAfterAReadWithoutThem(t *testing.T) {
	t.Parallel()
	a := listenUDP(t)
	b := NewPacketConn(with(t, listenUDP(t), syscall.IPPROTO_IP, syscall.IP_RECVTOS), Config{Read: netem.Link{Latency: 30 * ms}})
	data, oob := make([]byte, 10), make([]byte, 100)
	for _, room := range [][]byte{oob, nil, oob} {
		for range 2 {
			_, _, err := a.WriteMsgUDP([]byte("x"), tos(1), b.LocalAddr().(*net.UDPAddr))
			require.NoError(t, err)
		}
		for _, room := range [][]byte{room, oob} {
			_, n, _, _, err := b.ReadMsgUDP(data, room)
			require.NoError(t, err)
			if room != nil {
				assert.Equal(t, tos(1), room[:n])
			}
		}
	}
	require.NoError(t, b.Close())
}

// Datagrams that were received by one call are all delivered, even after the
// link has lost its limits.
func TestDatagramsReceivedAsOneOutliveTheLink(t *testing.T) {
	t.Parallel()
	b := NewPacketConn(with(t, listenUDP(t), syscall.IPPROTO_UDP, int(receivedSegments)), Config{Read: netem.Link{MTU: 1500}})
	_, _, err := listenUDP(t).WriteMsgUDP([]byte("aaaabbbbcc"), segment(4), b.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Skip("this kernel cannot: ", err)
	}
	require.NoError(t, b.SetReadDeadline(time.Now().Add(5*time.Second)))
	for i, want := range []string{"aaaa", "bbbb", "cc"} {
		data := make([]byte, 10)
		n, _, _, _, err := b.ReadMsgUDP(data, make([]byte, 100))
		require.NoError(t, err)
		assert.Equal(t, want, string(data[:n]))
		if i == 0 {
			b.SetLinks(netem.Link{}, netem.Link{})
		}
	}
	require.NoError(t, b.Close())
}

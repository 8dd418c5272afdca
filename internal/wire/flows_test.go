package wire

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// packetOf returns an IPv4 packet with a source port.
func packetOf(protocol byte, port uint16) []byte {
	packet := make([]byte, 28)
	packet[0], packet[9] = 4<<4|5, protocol
	packet[20], packet[21] = byte(port>>8), byte(port)
	return packet
}

// A flow is named by its order and not by its ports, and counts only its own packets.
func TestFlows(t *testing.T) {
	t.Parallel()
	const tcp, icmp = 6, 1
	for _, base := range []uint16{1000, 40000} {
		var f Flows
		for i, step := range []struct {
			packet []byte
			want   netem.PacketID
		}{
			{packetOf(tcp, base), netem.PacketID{Flow: 1, Number: 1}},
			{packetOf(tcp, base+1), netem.PacketID{Flow: 2, Number: 1}},
			{packetOf(tcp, base), netem.PacketID{Flow: 1, Number: 2}},
			{packetOf(icmp, base), netem.PacketID{Flow: 3, Number: 1}},
			{packetOf(icmp, base+1), netem.PacketID{Flow: 3, Number: 2}},
			{[]byte{1, 2, 3}, netem.PacketID{Flow: 4, Number: 1}},
			{packetOf(tcp, base+1), netem.PacketID{Flow: 2, Number: 2}},
		} {
			assert.Equal(t, step.want, f.Identify(step.packet), "step %d", i)
		}
	}
}

// Flows in use are not forgotten, however many others there are.
func TestFlowsInUseAreKept(t *testing.T) {
	t.Parallel()
	var f Flows
	for i := range 3 * maxFlows {
		f.Identify(packetOf(17, uint16(i)))
		packet := packetOf(17, uint16(i))
		packet[12] = byte(1 + i>>16)
		f.Identify(packet)
		f.Identify(packetOf(6, 1))
	}
	assert.Equal(t, netem.PacketID{Flow: 3, Number: 3*maxFlows + 1}, f.Identify(packetOf(6, 1)))
	assert.LessOrEqual(t, len(f.now)+len(f.old), 2*maxFlows)
}

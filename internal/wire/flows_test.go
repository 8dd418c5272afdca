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

// Flows are numbered in the order of their first packets, whatever their ports, and
// packets are numbered within their flow.
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

// IPv6 packets belong to flows too, and addresses distinguish flows. Fragments after the
// first have no ports, and IPv4 options come before the ports.
func TestFlowsOfAllPackets(t *testing.T) {
	t.Parallel()
	v6 := func(last byte, port uint16) []byte {
		packet := make([]byte, 48)
		packet[0], packet[6], packet[39], packet[41] = 6<<4, 17, last, byte(port)
		return packet
	}
	changed := func(packet []byte, at int, to byte) []byte {
		packet[at] = to
		return packet
	}
	options := append(packetOf(17, 0), 0, 0, 0, 0)
	options[0], options[20], options[25] = 4<<4|6, 1, 7 // option 1, and the port 7
	var f Flows
	for i, step := range []struct {
		packet       []byte
		flow, number uint64
	}{
		{v6(1, 5), 1, 1},
		{v6(1, 6), 2, 1},
		{v6(2, 5), 3, 1},
		{v6(1, 5), 1, 2},
		{packetOf(17, 7), 4, 1},
		{changed(packetOf(17, 7), 19, 9), 5, 1}, // another destination
		{changed(packetOf(17, 7), 7, 100), 6, 1},
		{changed(packetOf(17, 8), 7, 200), 6, 2},  // of the same addresses
		{changed(packetOf(17, 7), 6, 0x20), 4, 2}, // the first fragment
		{options, 4, 3},
	} {
		assert.Equal(t, netem.PacketID{Flow: step.flow, Number: step.number}, f.Identify(step.packet), "step %d", i)
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

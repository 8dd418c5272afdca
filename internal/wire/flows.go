package wire

import (
	"encoding/binary"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// Flows names IP packets by their flow (addresses, protocol and ports) and by their
// number in it. Flows are numbered in the order in which they appear, and not by their
// ports, which differ from run to run. So a flow meets the same random draws whenever
// the same number of flows came before it, whatever the other flows send. The zero
// Flows is ready to use. It is not safe for concurrent use.
type Flows struct {
	last     uint64
	now, old map[flowKey]*netem.PacketID // flows that were not used for long are forgotten
}

// maxFlows is the maximum number of flows in each of the two maps.
const maxFlows = 1 << 14

// A flowKey is addresses, protocol and ports.
type flowKey struct {
	addresses [32]byte
	protocol  byte
	ports     uint32
}

// Identify returns the name of the next packet of a flow.
func (f *Flows) Identify(packet []byte) netem.PacketID {
	key := keyOf(packet)
	id := f.now[key]
	if id == nil {
		if id = f.old[key]; id == nil {
			f.last++
			id = &netem.PacketID{Flow: f.last}
		}
		if len(f.now) >= maxFlows || f.now == nil {
			f.now, f.old = map[flowKey]*netem.PacketID{}, f.now
		}
		f.now[key] = id
	}
	id.Number++
	return *id
}

// The protocols that have ports in the first four bytes.
var hasPorts = map[byte]bool{6: true, 17: true, 33: true, 132: true, 136: true}

// keyOf returns the key of a packet; all packets that are not IP have the same
// key. Fragments except the first have no ports.
func keyOf(packet []byte) (key flowKey) {
	var payload []byte
	switch {
	case len(packet) >= 20 && packet[0]>>4 == 4:
		copy(key.addresses[:], packet[12:20])
		key.protocol = packet[9]
		if header := int(packet[0]&15) * 4; header <= len(packet) && binary.BigEndian.Uint16(packet[6:])&0x1fff == 0 {
			payload = packet[header:]
		}
	case len(packet) >= 40 && packet[0]>>4 == 6:
		copy(key.addresses[:], packet[8:40])
		key.protocol, payload = packet[6], packet[40:]
	}
	if hasPorts[key.protocol] && len(payload) >= 4 {
		key.ports = binary.BigEndian.Uint32(payload)
	}
	return key
}

package capture

import (
	"net"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// maxSegment is the largest payload of a TCP segment that fits into an IPv4 packet with
// any options; maxDatagram is the largest payload of a UDP datagram.
const (
	maxSegment  = 65535 - 20 - 60
	maxDatagram = 65535 - 20 - 8
)

// A frame is the captured part of a packet.
type frame struct {
	data   []byte // valid until the next frame is made
	length int    // on the wire
}

// A framer makes frames from packets.
type framer struct {
	buffer  gopacket.SerializeBuffer
	hosts   *hosts
	streams streams
	left    map[packetID]sentPacket
	payload []byte
}

// A sentPacket is a packet that has left.
type sentPacket struct {
	at      time.Duration
	header  *layers.TCP
	payload string
}

func newFramer(packets []packet, h *hosts) *framer {
	return &framer{buffer: gopacket.NewSerializeBuffer(), hosts: h, streams: directionsOf(packets), left: make(map[packetID]sentPacket)}
}

// frames calls yield for the frames of a packet. Packets must come in order of time,
// departures and arrivals together.
func (f *framer) frames(p *packet, show bool, yield func(frame) error) error {
	if p.conn.Network == "udp" {
		if !show {
			return nil
		}
		return f.datagram(p, yield)
	}
	header, payload := (*layers.TCP)(nil), p.payload
	if p.arrives {
		left, known := f.left[p.id()]
		if !known { // it left before the trace begins
			left = sentPacket{p.at - p.took, f.streams.of(p.conn, p.info.From).header(p.info, p.at-p.took), p.payload}
		}
		f.streams.arrives(p, left.at)
		header, payload = left.header, left.payload
	} else {
		header = f.streams.sends(p)
		f.left[p.id()] = sentPacket{p.at, header, p.payload}
	}
	if !show {
		return nil
	}
	return f.segment(p, *header, payload, yield)
}

// segment makes the frames of a segment: several if it does not fit into an IPv4 packet.
func (f *framer) segment(p *packet, header layers.TCP, payload string, yield func(frame) error) error {
	length := p.length
	for count := (length + maxSegment - 1) / maxSegment; count > 1; count-- {
		first, n := header, length/count
		first.FIN, first.PSH = false, false
		if err := f.frame(p, &first, n, payload[:min(n, len(payload))], yield); err != nil {
			return err
		}
		header.Seq += uint32(n)
		length, payload = length-n, payload[min(n, len(payload)):]
	}
	return f.frame(p, &header, length, payload, yield)
}

func (f *framer) datagram(p *packet, yield func(frame) error) error {
	header := &layers.UDP{SrcPort: layers.UDPPort(p.info.From.Port()), DstPort: layers.UDPPort(p.info.To.Port())}
	length := min(p.length, maxDatagram)
	return f.frame(p, header, length, p.payload[:min(len(p.payload), length)], yield)
}

// A transport is the header of TCP or UDP.
type transport interface {
	gopacket.SerializableLayer
	SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
}

// frame makes a frame with a payload of the given length, and captures the part that is
// known.
func (f *framer) frame(p *packet, header transport, length int, payload string, yield func(frame) error) error {
	whole := append(f.payload[:0], payload...)
	whole = append(whole, make([]byte, length-len(payload))...) // cut off below
	f.payload = whole
	network, kind := networkHeader(p, header)
	if err := header.SetNetworkLayerForChecksum(network); err != nil {
		return err
	}
	ethernet := &layers.Ethernet{SrcMAC: f.mac(p.from), DstMAC: f.mac(p.to), EthernetType: kind}
	err := gopacket.SerializeLayers(f.buffer, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		ethernet, network.(gopacket.SerializableLayer), header, gopacket.Payload(whole))
	if err != nil {
		return err
	}
	data := f.buffer.Bytes()
	return yield(frame{data[:len(data)-(length-len(payload))], len(data)})
}

// networkHeader returns the IP header that precedes the TCP or UDP header.
func networkHeader(p *packet, header transport) (gopacket.NetworkLayer, layers.EthernetType) {
	protocol := layers.IPProtocolTCP
	if _, isUDP := header.(*layers.UDP); isUDP {
		protocol = layers.IPProtocolUDP
	}
	from, to := ip(p.info.From), ip(p.info.To)
	if len(from) == net.IPv4len {
		return &layers.IPv4{
			Version: 4, TTL: 64, Protocol: protocol, SrcIP: from, DstIP: to,
			Flags: layers.IPv4DontFragment, Id: uint16(p.info.Number),
		}, layers.EthernetTypeIPv4
	}
	return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: protocol, SrcIP: from, DstIP: to}, layers.EthernetTypeIPv6
}

func ip(addr netip.AddrPort) net.IP { return addr.Addr().AsSlice() }

// mac returns a locally administered Ethernet address for a host.
func (f *framer) mac(host string) net.HardwareAddr {
	n := f.hosts.number(host)
	return net.HardwareAddr{0x02, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

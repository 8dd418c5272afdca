package capture

import (
	"net"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// maxSegment is the largest payload of a TCP segment that has room in an IPv4 packet,
// whatever options it has; maxDatagram is that of a datagram.
const (
	maxSegment  = 65535 - 20 - 60
	maxDatagram = 65535 - 20 - 8
)

// A frame is what is captured of a packet.
type frame struct {
	data   []byte // until the next frame is made
	length int    // that it had on the wire
}

// A framer makes frames of packets.
type framer struct {
	buffer  gopacket.SerializeBuffer
	hosts   *hosts
	streams streams
	left    map[packetID]leaving
	payload []byte
}

// A leaving packet is one that has left.
type leaving struct {
	at      time.Duration
	header  *layers.TCP
	payload string
}

func newFramer(packets []packet, h *hosts) *framer {
	return &framer{buffer: gopacket.NewSerializeBuffer(), hosts: h, streams: directionsOf(packets), left: make(map[packetID]leaving)}
}

// frames calls yield for the frames of a packet. Packets have to come in the order of
// time, those as they leave and as they arrive.
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
		if !known { // the trace begins later than it left
			left = leaving{p.at - p.took, f.streams.of(p.conn, p.info.From).header(p.info, p.at-p.took), p.payload}
		}
		f.streams.arrives(p, left.at)
		header, payload = left.header, left.payload
	} else {
		header = f.streams.sends(p)
		f.left[p.id()] = leaving{p.at, header, p.payload}
	}
	if !show {
		return nil
	}
	return f.segment(p, *header, payload, yield)
}

// segment makes the frames of a segment: several, if IPv4 has no room for it.
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

// frame makes a frame with a payload of a length, as much of which is captured as is
// known.
func (f *framer) frame(p *packet, header transport, length int, payload string, yield func(frame) error) error {
	whole := append(f.payload[:0], payload...)
	whole = append(whole, make([]byte, length-len(payload))...) // which is cut off below
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

// networkHeader returns the header of IP before that of TCP or UDP.
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

// mac returns the Ethernet address of a host, a locally administered one.
func (f *framer) mac(host string) net.HardwareAddr {
	n := f.hosts.number(host)
	return net.HardwareAddr{0x02, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

package capture

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A packet is the departure or the arrival of a packet.
type packet struct {
	at       time.Duration
	took     time.Duration // travel time, for an arrival; 0 if unknown
	arrives  bool
	from, to string // hosts
	conn     trace.Conn
	length   int    // of the payload
	payload  string // the known part
	info     *trace.PacketInfo
	comment  string
}

// A packetID identifies a packet.
type packetID struct {
	conn   trace.Conn
	from   netip.AddrPort
	number uint64
}

func (p *packet) id() packetID { return packetID{p.conn, p.info.From, p.info.Number} }

// sender identifies the end of a connection that sends the packet.
func (p *packet) sender() packetID { return packetID{p.conn, p.info.From, 0} }

// unmapped returns an IPv4 address for an IPv4-mapped IPv6 one: a listener for both
// families has such addresses.
func unmapped(addr netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(addr.Addr().Unmap().WithZone(""), addr.Port())
}

// unmappedInfo returns the headers with unmapped addresses.
func unmappedInfo(p *trace.PacketInfo) *trace.PacketInfo {
	from, to := unmapped(p.From), unmapped(p.To)
	if from == p.From && to == p.To {
		return p
	}
	changed := *p
	changed.From, changed.To = from, to
	return &changed
}

// seenBy returns the host on whose interface the packet appears, and whether it is shown
// in the view of the given host, or, for "", in the view of all.
func (p *packet) seenBy(host string) (name string, shown bool) {
	switch {
	case !p.arrives:
		return p.from, host == "" || p.from == host
	case p.from == p.to:
		return p.to, false
	}
	return p.to, p.to == host
}

// packetsOf returns the departures and arrivals of a trace's packets, in order of time.
func packetsOf(events []trace.Event) []packet {
	var packets []packet
	recorded := make(map[trace.Conn]bool)
	for i := range events {
		if e := &events[i]; isPacket(e) {
			recorded[e.Conn] = true
			packets = append(packets, packet{
				at: e.At, took: e.Took, arrives: e.Kind == trace.Arrive, from: hostName(e.From), to: hostName(e.To), conn: e.Conn,
				length: max(0, e.Length), payload: payload(e), info: unmappedInfo(e.Packet),
			})
		}
	}
	packets = append(packets, synthesize(events, recorded, packets)...)
	slices.SortStableFunc(packets, func(a, b packet) int { return cmp.Compare(a.at, b.at) })
	comment(packets, events)
	return packets
}

// payload returns the known bytes of an event.
func payload(e *trace.Event) string { return e.Payload[:max(0, min(e.Length, len(e.Payload)))] }

// isPacket reports whether an event is a packet that can be shown.
func isPacket(e *trace.Event) bool {
	if e.Kind != trace.Packet && e.Kind != trace.Arrive || e.Packet == nil {
		return false
	}
	from, to := e.Packet.From.Addr().Unmap(), e.Packet.To.Addr().Unmap()
	return from.IsValid() && from.Is4() == to.Is4() && to.IsValid()
}

// comment adds comments to lost packets, with the reason, and to retransmissions. The
// trace has no reason for a lost pure acknowledgment: its loss shows only when a later
// packet of its sender arrives.
func comment(packets []packet, events []trace.Event) {
	why := make(map[packetID]string)
	for i := range events {
		if e := &events[i]; e.Kind == trace.Drop && e.Packet != nil && e.Note != "" {
			why[packetID{e.Conn, unmapped(e.Packet.From), e.Packet.Number}] = e.Note
		}
	}
	arrived := make(map[packetID]bool)
	for i := range packets {
		if p := &packets[i]; p.arrives {
			arrived[p.id()] = true
		}
	}
	last := make(map[packetID]int) // by sender, the last packet that has arrived
	for i := range packets {
		if p := &packets[i]; !p.arrives && arrived[p.id()] {
			last[p.sender()] = i
		}
	}
	for i := range packets {
		p := &packets[i]
		if p.comment != "" {
			continue
		}
		lost := why[p.id()]
		if lost == "" && !p.arrives && !arrived[p.id()] && i < last[p.sender()] {
			lost = "does not arrive"
		}
		switch {
		case p.info.Resent && lost != "":
			p.comment = "sent again; " + lost
		case p.info.Resent:
			p.comment = "sent again"
		default:
			p.comment = lost
		}
	}
}

// hostName returns the name of a host: for an address with a port, the address.
func hostName(name string) string {
	if addr, err := netip.ParseAddrPort(name); err == nil {
		return addr.Addr().Unmap().String()
	}
	return name
}

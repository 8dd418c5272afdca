package capture

import (
	"cmp"
	"maps"
	"slices"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// imagine returns packets of connections of which none are recorded, as they could have
// been.
func imagine(events []trace.Event, recorded map[trace.Conn]bool, packets []packet) []packet {
	missing := make(map[trace.Conn][]*trace.Event)
	for i := range events {
		if e := &events[i]; e.Conn != (trace.Conn{}) && !recorded[e.Conn] {
			missing[e.Conn] = append(missing[e.Conn], e)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	v := newInvention(packets)
	var imagined []packet
	for _, conn := range slices.SortedFunc(maps.Keys(missing), compareConns) {
		slices.SortStableFunc(missing[conn], func(a, b *trace.Event) int { return cmp.Compare(a.At, b.At) })
		if conn.Network == "udp" {
			imagined = append(imagined, imagineDatagrams(conn, missing, v)...)
		} else {
			imagined = append(imagined, imagineStream(conn, missing[conn], v)...)
		}
	}
	return imagined
}

func compareConns(a, b trace.Conn) int {
	return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Network, b.Network), cmp.Compare(a.Number, b.Number))
}

// The ports of ends whose ports are not known.
const (
	listenerPort  = 61000
	firstPort     = 49152
	dialerPorts   = listenerPort - firstPort
	assumedWindow = 1 << 20
)

// portOf returns the port of whoever has dialed a connection or opened a socket.
func portOf(conn trace.Conn) uint16 {
	return uint16(firstPort + (max(1, conn.Number)-1)%dialerPorts)
}

// imagineDatagrams returns the packets of a socket's datagrams.
func imagineDatagrams(conn trace.Conn, all map[trace.Conn][]*trace.Event, v *invention) []packet {
	var packets []packet
	ports := make(map[string]uint16) // of the socket's peers
	for i, e := range all[conn] {
		if e.Kind != trace.Data && e.Kind != trace.Drop {
			continue
		}
		if _, known := ports[e.To]; !known {
			ports[e.To] = peerPort(conn, e.To, all)
		}
		p := packet{
			at: e.At - e.Took, from: hostName(e.From), to: hostName(e.To), conn: conn,
			length: e.Length, payload: e.Payload[:min(e.Length, len(e.Payload))],
			info: &trace.PacketInfo{
				Number: uint64(i), From: v.address(e.From, portOf(conn)), To: v.address(e.To, ports[e.To]),
			},
		}
		if p.info.From.Addr().Is4() != p.info.To.Addr().Is4() {
			continue
		}
		if e.Kind == trace.Drop {
			p.comment = e.Note
		}
		packets = append(packets, p)
		if e.Kind == trace.Data {
			p.at, p.arrives = e.At, true
			packets = append(packets, p)
		}
	}
	return packets
}

// peerPort returns the port of a host's first socket that has sent to the socket's host.
func peerPort(conn trace.Conn, host string, all map[trace.Conn][]*trace.Event) uint16 {
	port, found := uint16(listenerPort), trace.Conn{}
	for other, events := range all {
		if other.Network != "udp" || other.Host != host || other == conn || found.Number > 0 && other.Number > found.Number {
			continue
		}
		if slices.ContainsFunc(events, func(e *trace.Event) bool { return e.To == conn.Host }) {
			port, found = portOf(other), other
		}
	}
	return port
}

package capture

import (
	"cmp"
	"maps"
	"slices"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// synthesize returns plausible packets for connections without recorded packets.
func synthesize(events []trace.Event, recorded map[trace.Conn]bool, packets []packet) []packet {
	missing := make(map[trace.Conn][]*trace.Event)
	for i := range events {
		if e := &events[i]; e.Conn != (trace.Conn{}) && !recorded[e.Conn] {
			missing[e.Conn] = append(missing[e.Conn], e)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	v, first := newAddressing(packets), senders(missing)
	var synthesized []packet
	for _, conn := range slices.SortedFunc(maps.Keys(missing), compareConns) {
		slices.SortStableFunc(missing[conn], func(a, b *trace.Event) int { return cmp.Compare(a.At, b.At) })
		if conn.Network == "udp" {
			synthesized = append(synthesized, synthesizeDatagrams(conn, missing[conn], first, v)...)
		} else {
			synthesized = append(synthesized, synthesizeStream(conn, missing[conn], v)...)
		}
	}
	return synthesized
}

func compareConns(a, b trace.Conn) int {
	return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Network, b.Network), cmp.Compare(a.Number, b.Number))
}

// The ports of ends whose ports are unknown.
const (
	listenerPort  = 61000
	firstPort     = 49152
	dialerPorts   = listenerPort - firstPort
	assumedWindow = 1 << 20
)

// portOf returns the port of the end that dialed a connection or opened a socket.
func portOf(conn trace.Conn) uint16 {
	return uint16(firstPort + (max(1, conn.Number)-1)%dialerPorts)
}

// A pairOfHosts is a sender and a receiver of datagrams.
type pairOfHosts struct{ from, to string }

// senders returns, for each pair of hosts, the first socket that sends from one to the
// other.
func senders(all map[trace.Conn][]*trace.Event) map[pairOfHosts]trace.Conn {
	first := make(map[pairOfHosts]trace.Conn)
	for conn, events := range all {
		if conn.Network != "udp" {
			continue
		}
		for _, e := range events {
			pair := pairOfHosts{conn.Host, e.To}
			if known, found := first[pair]; !found || conn.Number < known.Number {
				first[pair] = conn
			}
		}
	}
	return first
}

// synthesizeDatagrams returns the packets of a socket's datagrams. They go to the port
// from which their receiver sends to the socket's host.
func synthesizeDatagrams(conn trace.Conn, events []*trace.Event, first map[pairOfHosts]trace.Conn, v *addressing) []packet {
	var packets []packet
	for i, e := range events {
		if e.Kind != trace.Data && e.Kind != trace.Drop {
			continue
		}
		port := uint16(listenerPort)
		if peer, found := first[pairOfHosts{e.To, conn.Host}]; found && peer != conn {
			port = portOf(peer)
		}
		p := packet{
			at: e.At - e.Took, from: hostName(e.From), to: hostName(e.To), conn: conn,
			length: max(0, e.Length), payload: payload(e),
			info: &trace.PacketInfo{Number: uint64(i), From: v.address(e.From, portOf(conn)), To: v.address(e.To, port)},
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

package simtest

import "net/netip"

// The ephemeral ports, for dials and for listeners on port 0: Linux's default
// (net.ipv4.ip_local_port_range).
const firstPort = 32768

var lastPort uint16 = 60999 // a variable for tests

// nextPort returns the port after the given one.
func nextPort(port uint16) uint16 {
	if port < firstPort || port >= lastPort {
		return firstPort
	}
	return port + 1
}

// ports tracks the ports of a host that are in use, and the last ones assigned. Finding
// a free port does not search everything that is open. Guarded by sim.mu.
type ports struct {
	listeners portTable
	sockets   portTable
	conns     map[portPair]struct{} // of dialled connections
	dialled   map[uint16]int32      // number of these by local port
	lastDial  uint16                // the last local port given to a dial
	lastBound uint16                // the last port given to a listener or socket
}

// A portPair identifies a host's dialled connection.
type portPair struct {
	local  uint16
	remote netip.AddrPort
}

func newPorts() ports {
	return ports{
		listeners: make(portTable),
		sockets:   make(portTable),
		conns:     make(map[portPair]struct{}),
		dialled:   make(map[uint16]int32),
	}
}

// dial assigns a pair to a connection.
func (p *ports) dial(pair portPair) {
	p.conns[pair] = struct{}{}
	p.dialled[pair.local]++
}

// free releases a pair, if it is assigned to a connection.
func (p *ports) free(pair portPair) {
	if _, taken := p.conns[pair]; !taken {
		return
	}
	delete(p.conns, pair)
	if p.dialled[pair.local]--; p.dialled[pair.local] == 0 {
		delete(p.dialled, pair.local)
	}
}

// nextDial picks the local port of a new connection: one that is used neither by a
// listener nor by another connection to the same remote address.
func (p *ports) nextDial(remote netip.AddrPort) (port uint16, ok bool) {
	return p.next(&p.lastDial, func(port uint16) bool {
		_, taken := p.conns[portPair{port, remote}]
		return taken || p.listeners.has(port)
	})
}

// nextListener picks a port for a listener on port 0: one that is used neither by
// another listener nor by a connection.
func (p *ports) nextListener() (port uint16, ok bool) {
	return p.next(&p.lastBound, func(port uint16) bool { return p.listeners.has(port) || p.dialled[port] > 0 })
}

// nextSocket picks a port for a socket on port 0.
func (p *ports) nextSocket() (port uint16, ok bool) {
	return p.next(&p.lastBound, p.sockets.has)
}

// next picks the next free port after the last one.
func (p *ports) next(last *uint16, taken func(port uint16) bool) (port uint16, ok bool) {
	for range lastPort - firstPort + 1 {
		*last = nextPort(*last)
		if !taken(*last) {
			return *last, true
		}
	}
	return 0, false
}

// A portTable counts the bound addresses of each port.
type portTable map[uint16]portUse

// A portUse counts the bound addresses of a port by family. A dual-stack address counts
// for both.
type portUse struct {
	v4, v6     int32
	all4, all6 int32 // of these, bound to the unspecified address of the family
}

// add adds n to the counts of an address; a dual-stack one covers both families.
func (t portTable) add(addr netip.AddrPort, dual bool, n int32) {
	use, all := t[addr.Port()], addr.Addr().IsUnspecified()
	if addr.Addr().Is4() || dual {
		use.v4 += n
		if all {
			use.all4 += n
		}
	}
	if addr.Addr().Is6() {
		use.v6 += n
		if all {
			use.all6 += n
		}
	}
	if use == (portUse{}) {
		delete(t, addr.Port())
		return
	}
	t[addr.Port()] = use
}

// has reports whether any address with the port is bound.
func (t portTable) has(port uint16) bool {
	_, used := t[port]
	return used
}

// overlaps reports whether an address overlaps a different bound address. The caller
// checks for an equal one.
func (t portTable) overlaps(addr netip.AddrPort, dual bool) bool {
	use := t[addr.Port()]
	if addr.Addr().IsUnspecified() {
		return (addr.Addr().Is4() || dual) && use.v4 > 0 || addr.Addr().Is6() && use.v6 > 0
	}
	return addr.Addr().Is4() && use.all4 > 0 || addr.Addr().Is6() && use.all6 > 0
}

// overlapsDialLocked reports whether an address overlaps the local address of a dialled
// connection.
func (h *Host) overlapsDialLocked(addr netip.AddrPort, dual bool) bool {
	if h.ports.dialled[addr.Port()] == 0 {
		return false
	}
	table := make(portTable)
	table.add(addr, dual, 1)
	for pair := range h.ports.conns {
		local := netip.AddrPortFrom(h.sourceLocked(pair.remote.Addr()), pair.local)
		if local == addr || table.overlaps(local, false) {
			return true
		}
	}
	return false
}

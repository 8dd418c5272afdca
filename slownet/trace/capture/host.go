package capture

import (
	"maps"
	"net/netip"
	"slices"
)

// hosts are the hosts whose packets a capture may show.
type hosts struct {
	names     []string // sorted
	addresses map[netip.Addr]string
}

func hostsOf(packets []packet) hosts {
	h := hosts{addresses: make(map[netip.Addr]string)}
	names := make(map[string]bool)
	for i := range packets {
		p := &packets[i]
		names[p.from], names[p.to] = true, true
		h.addresses[p.info.From.Addr()] = p.from
		h.addresses[p.info.To.Addr()] = p.to
	}
	h.names = slices.Sorted(maps.Keys(names))
	return h
}

// number returns the number of a host, from 1, or 0 for an unknown one.
func (h *hosts) number(name string) int {
	i, found := slices.BinarySearch(h.names, name)
	if !found {
		return 0
	}
	return i + 1
}

// An addressing gives addresses to the hosts of a trace without packets.
type addressing struct {
	addresses map[string]netip.Addr // by name
	taken     map[netip.Addr]bool
	next      netip.Addr
}

// newAddressing returns an addressing that knows the addresses of the recorded packets.
func newAddressing(packets []packet) *addressing {
	v := &addressing{make(map[string]netip.Addr), make(map[netip.Addr]bool), netip.AddrFrom4([4]byte{10, 0, 0, 1})}
	know := func(name string, addr netip.Addr) {
		if _, known := v.addresses[name]; !known && addr.Is4() {
			v.addresses[name] = addr
		}
		v.taken[addr] = true
	}
	for i := range packets {
		know(packets[i].from, packets[i].info.From.Addr())
		know(packets[i].to, packets[i].info.To.Addr())
	}
	return v
}

// address returns the address of a host, with its port if the name contains one.
func (v *addressing) address(name string, port uint16) netip.AddrPort {
	if addr, err := netip.ParseAddrPort(name); err == nil {
		return unmapped(addr)
	}
	addr, known := v.addresses[name]
	if !known {
		for v.taken[v.next] {
			v.next = v.next.Next()
		}
		addr = v.next
		v.addresses[name], v.taken[addr] = addr, true
	}
	return netip.AddrPortFrom(addr, port)
}

package simtest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

// A family is what a network's name says of addresses.
type family struct {
	datagrams bool
	version   byte // 4, 6, or 0 for either
}

func parseNetwork(network string) (f family, err error) {
	switch kind := strings.TrimRight(network, "46"); {
	case network != kind && network != kind+"4" && network != kind+"6", kind != "tcp" && kind != "udp":
		return f, net.UnknownNetworkError(network)
	default:
		f.datagrams = kind == "udp"
	}
	if last := network[len(network)-1]; last == '4' || last == '6' {
		f.version = last - '0'
	}
	return f, nil
}

// holds reports whether an address is of the family.
func (f family) holds(addr netip.Addr) bool {
	return f.version == 0 || (f.version == 4) == addr.Is4()
}

// bind returns what a listener or a socket has that asks for an address: where
// either family will do, all of IPv4 is all of IPv6 as well, and the reverse.
func (f family) bind(local netip.AddrPort) (addr netip.AddrPort, dual bool) {
	if f.version == 0 && local.Addr().IsUnspecified() {
		return netip.AddrPortFrom(netip.IPv6Unspecified(), local.Port()), true
	}
	return local, false
}

// mapped returns an address as something for both families sees it: IPv4 in
// IPv6.
func mapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()), a.Port())
}

// addr returns an address as the net package has it for the network.
func (f family) addr(a netip.AddrPort) net.Addr {
	switch {
	case !a.IsValid():
		return nil
	case f.datagrams:
		return net.UDPAddrFromAddrPort(a)
	}
	return net.TCPAddrFromAddrPort(a)
}

// resolveRemote turns what was given to DialContext into an address and a port.
func (h *Host) resolveRemote(ctx context.Context, f family, network, address string) (netip.AddrPort, error) {
	if address == "" {
		return netip.AddrPort{}, errors.New("missing address")
	}
	host, port, err := splitAddress(network, address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	addrs := []netip.Addr{loopback(false), loopback(true)}
	if host != "" {
		if addrs, err = h.lookup(ctx, host); err != nil {
			return netip.AddrPort{}, err
		}
	}
	for _, addr := range addrs {
		if addr.IsUnspecified() {
			addr = loopback(addr.Is6()) // as connect(2) takes it
		}
		if f.holds(addr) {
			return netip.AddrPortFrom(addr, port), nil
		}
	}
	return netip.AddrPort{}, &net.AddrError{Err: "no suitable address found", Addr: host}
}

// resolveLocal turns what was given to Listen or ListenPacket into an address
// of the host's own and a port. None is all of them.
func (h *Host) resolveLocal(f family, network, address string) (netip.AddrPort, error) {
	if address == "" {
		address = ":0"
	}
	host, port, err := splitAddress(network, address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	var addr netip.Addr
	switch literal, err := netip.ParseAddr(host); {
	case err == nil:
		addr = literal.Unmap()
	case host == "" && f.version == 4:
		addr = netip.IPv4Unspecified()
	case host == "":
		addr = netip.IPv6Unspecified()
	case host == "localhost":
		addr = loopback(f.version == 6)
	default:
		if addr, err = h.ofHost(host, f.version == 6); err != nil {
			return netip.AddrPort{}, err
		}
	}
	if !f.holds(addr) {
		return netip.AddrPort{}, &net.AddrError{Err: "no suitable address found", Addr: host}
	}
	if !addr.IsUnspecified() && !addr.IsLoopback() && addr != h.v4 && addr != h.v6 {
		return netip.AddrPort{}, syscallError("bind", syscall.EADDRNOTAVAIL)
	}
	return netip.AddrPortFrom(addr, port), nil
}

// ofHost returns the address of a host by its name.
func (h *Host) ofHost(name string, v6 bool) (netip.Addr, error) {
	h.sim.mu.Lock()
	defer h.sim.mu.Unlock()
	switch other := h.sim.hosts[name]; {
	case other == nil:
		return netip.Addr{}, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	case v6:
		return other.v6, nil
	default:
		return other.v4, nil
	}
}

func splitAddress(network, address string) (host string, port uint16, err error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	number, err := services.LookupPort(context.Background(), network, service)
	return host, uint16(number), err
}

// hostOfLocked returns the host that has an address, as seen from this one; nil
// if none has.
func (h *Host) hostOfLocked(addr netip.Addr) *Host {
	if addr.IsLoopback() {
		return h
	}
	return h.sim.byAddr[addr]
}

// sourceLocked returns the address from which the host sends to another.
func (h *Host) sourceLocked(to netip.Addr) netip.Addr {
	switch {
	case h.hostOfLocked(to) == h:
		return to // on the host itself, from the address that is sent to
	case to.Is4():
		return h.v4
	}
	return h.v6
}

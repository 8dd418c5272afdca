package simtest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

// A family is the kind of addresses that a network's name allows.
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

// holds reports whether an address belongs to the family.
func (f family) holds(addr netip.Addr) bool {
	return f.version == 0 || (f.version == 4) == addr.Is4()
}

// bind returns the address of a listener or a socket, and whether that covers both
// families: it does if both are allowed and the address is unspecified. An invalid
// address means all addresses.
func (f family) bind(local netip.AddrPort) (addr netip.AddrPort, dual bool) {
	switch all := !local.Addr().IsValid() || local.Addr().IsUnspecified(); {
	case f.version == 0 && all:
		return netip.AddrPortFrom(netip.IPv6Unspecified(), local.Port()), true
	case local.Addr().IsValid():
		return local, false
	case f.version == 4:
		return netip.AddrPortFrom(netip.IPv4Unspecified(), local.Port()), false
	default:
		return netip.AddrPortFrom(netip.IPv6Unspecified(), local.Port()), false
	}
}

// mapped returns an address in the form of a dual-stack socket: IPv4 mapped to IPv6.
func mapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()), a.Port())
}

// addr returns an address in the net package's type for the network; nil for none.
func (f family) addr(a netip.AddrPort) net.Addr {
	if !a.IsValid() {
		return nil
	}
	return f.shown(a)
}

// shown returns a resolved address as the net package shows it in an error: without a
// host, if none was given.
func (f family) shown(a netip.AddrPort) net.Addr {
	if f.datagrams {
		return net.UDPAddrFromAddrPort(a)
	}
	return net.TCPAddrFromAddrPort(a)
}

var errMissingAddress = errors.New("missing address")

// resolveRemote resolves the address given to DialContext, and appends the results to
// all in the order in which they are tried. If no host was given, there is one result
// with an invalid address.
func (h *Host) resolveRemote(ctx context.Context, f family, network, address string, all []netip.AddrPort) ([]netip.AddrPort, error) {
	if address == "" {
		return nil, errMissingAddress
	}
	host, port, err := splitAddress(network, address)
	if err != nil {
		return nil, err
	}
	var room [2]netip.Addr // for one host
	addrs := room[:1]
	if host != "" {
		trace := startLookup(ctx, host)
		addrs, err = h.lookup(ctx, host, room[:0])
		trace.end(addrs, f.holds, err)
		if err != nil {
			return nil, err
		}
		if addrs, err = f.choose(host, addrs); err != nil {
			return nil, err
		}
	}
	for _, addr := range addrs {
		all = append(all, netip.AddrPortFrom(addr, port))
	}
	return all, nil
}

// choose returns the addresses of a host that belong to the family, in place. The
// unspecified IPv6 address also covers IPv4.
func (f family) choose(host string, addrs []netip.Addr) (chosen []netip.Addr, err error) {
	if len(addrs) == 1 && addrs[0] == netip.IPv6Unspecified() {
		addrs = append(addrs, netip.IPv4Unspecified())
	}
	chosen = addrs[:0]
	for _, addr := range addrs {
		if f.holds(addr) {
			chosen = append(chosen, addr)
		}
	}
	if len(chosen) == 0 {
		return nil, &net.AddrError{Err: "no suitable address found", Addr: host}
	}
	return chosen, nil
}

// destination returns the address that connect(2) or sendto(2) goes to: for an
// unspecified address, the loopback address.
func (f family) destination(to netip.AddrPort) netip.AddrPort {
	switch addr := to.Addr(); {
	case !addr.IsValid():
		return netip.AddrPortFrom(loopback(f.version == 6), to.Port())
	case addr.IsUnspecified():
		return netip.AddrPortFrom(loopback(addr.Is6()), to.Port())
	}
	return to
}

// resolveLocal resolves the address given to Listen or ListenPacket. If no host was
// given, the result has no valid address.
func (h *Host) resolveLocal(f family, network, address string) (netip.AddrPort, error) {
	if address == "" {
		return netip.AddrPort{}, nil
	}
	host, port, err := splitAddress(network, address)
	if err != nil || host == "" {
		return netip.AddrPortFrom(netip.Addr{}, port), err
	}
	addrs, err := h.appendAddrs(nil, host)
	if err == nil {
		addrs, err = f.choose(host, addrs)
	}
	if err != nil {
		return netip.AddrPort{}, err
	}
	addr := addrs[0]
	for _, other := range addrs {
		if other.Is4() {
			addr = other // the net package prefers IPv4
		}
	}
	return netip.AddrPortFrom(addr, port), nil
}

// appendAddrs appends the addresses of the host with a name, or the name itself if it
// is an address.
func (h *Host) appendAddrs(addrs []netip.Addr, name string) ([]netip.Addr, error) {
	if addr, ok := parseAddr(name); ok {
		return append(addrs, addr.Unmap()), nil
	}
	plain := plainName(name)
	if plain == "localhost" {
		return append(addrs, loopback(false), loopback(true)), nil
	}
	h.sim.mu.Lock()
	defer h.sim.mu.Unlock()
	if other := h.sim.named[plain]; other != nil {
		return append(addrs, other.v4, other.v6), nil
	}
	return addrs, noSuchHost(name)
}

// parseAddr parses a name as an address. Most names cannot be addresses; for these it
// does not build an error.
func parseAddr(name string) (addr netip.Addr, ok bool) {
	if name == "" || strings.IndexByte(name, ':') < 0 && (name[0] > '9' || name[len(name)-1] > '9') {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(name)
	return addr, err == nil
}

// bindErrorLocked returns an error if nothing can be bound to an address on the host.
func (h *Host) bindErrorLocked(local netip.AddrPort) error {
	addr := local.Addr()
	switch {
	case h.sim.closed:
		return net.ErrClosed
	case h.hasEndedLocked():
		return errNetworkDown("bind")
	case addr.IsValid() && !addr.IsUnspecified() && h.hostOfLocked(addr) != h:
		return syscallError("bind", syscall.EADDRNOTAVAIL)
	}
	return nil
}

func splitAddress(network, address string) (host string, port uint16, err error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	number, err := services.LookupPort(context.Background(), network, service)
	return host, uint16(number), err
}

// hostOfLocked returns the host with an address, as seen from this host, or nil if
// there is none.
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
		return to // on the host itself, from the destination address
	case to.Is4():
		return h.v4
	}
	return h.v6
}

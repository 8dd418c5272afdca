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
// None is all of them.
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

// mapped returns an address as something for both families sees it: IPv4 in
// IPv6.
func mapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()), a.Port())
}

// addr returns an address as the net package has it for the network; nil for
// none.
func (f family) addr(a netip.AddrPort) net.Addr {
	if !a.IsValid() {
		return nil
	}
	return f.shown(a)
}

// shown returns what was resolved as the net package shows it in an error: where
// no host was given, a port alone.
func (f family) shown(a netip.AddrPort) net.Addr {
	if f.datagrams {
		return net.UDPAddrFromAddrPort(a)
	}
	return net.TCPAddrFromAddrPort(a)
}

var errMissingAddress = errors.New("missing address")

// resolveRemote turns what was given to DialContext into addresses and a port,
// in the order in which they are tried, and appends them to all. Where no host was
// given there is one address, which is not valid.
func (h *Host) resolveRemote(ctx context.Context, f family, network, address string, all []netip.AddrPort) ([]netip.AddrPort, error) {
	if address == "" {
		return nil, errMissingAddress
	}
	host, port, err := splitAddress(network, address)
	if err != nil {
		return nil, err
	}
	var room [2]netip.Addr // a host's
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

// choose returns those addresses of a host that are of the family, in the place of
// all. All of IPv6 is all of IPv4 as well.
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

// destination returns where connect(2) or sendto(2) goes: what is no address in
// particular is the host itself.
func (f family) destination(to netip.AddrPort) netip.AddrPort {
	switch addr := to.Addr(); {
	case !addr.IsValid():
		return netip.AddrPortFrom(loopback(f.version == 6), to.Port())
	case addr.IsUnspecified():
		return netip.AddrPortFrom(loopback(addr.Is6()), to.Port())
	}
	return to
}

// resolveLocal turns what was given to Listen or ListenPacket into an address
// and a port. Where no host was given, the address is not valid.
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
			addr = other // which the net package prefers
		}
	}
	return netip.AddrPortFrom(addr, port), nil
}

// appendAddrs appends the addresses of a host by its name, or one that is given
// itself.
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

// parseAddr returns the address that a name is, if it is one. Most are none, and do
// not look like one: then there is no error to be made.
func parseAddr(name string) (addr netip.Addr, ok bool) {
	if name == "" || strings.IndexByte(name, ':') < 0 && (name[0] > '9' || name[len(name)-1] > '9') {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(name)
	return addr, err == nil
}

// bindErrorLocked says why nothing can be bound to an address on the host.
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

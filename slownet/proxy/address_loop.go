package proxy

import (
	"net"
	"net/netip"
	"path/filepath"
	"strings"
)

// A lookUp returns the addresses of a name, or none if it has none. A nil lookUp knows no name.
type lookUp func(name string) []netip.Addr

// isReachedBy reports whether a connection to an upstream address would reach a proxy that
// listens at e. It looks up names only if both have the same port, and localhost never.
func (e endpoint) isReachedBy(upstream endpoint, named lookUp) bool {
	if e.network != upstream.network {
		return false
	}
	if e.network == "unix" {
		return filepath.Clean(e.address) == filepath.Clean(upstream.address)
	}
	host, port, err := net.SplitHostPort(e.address)
	if err != nil {
		return false
	}
	toHost, toPort, err := net.SplitHostPort(upstream.address)
	if err != nil || !isSamePort(e.network, port, toPort) {
		return false
	}
	if host == toHost {
		return true
	}
	for _, to := range addressesOf(toHost, named) {
		if to.IsUnspecified() { // as an upstream, it is the machine itself
			to = loopbackLike(to)
		}
		for _, at := range addressesOf(host, named) {
			// [::] is all addresses, and 0.0.0.0 all IPv4 addresses.
			all := at.IsUnspecified() && (host == "" || at.Is6() || to.Is4())
			if at == to || all && isOfThisMachine(to) {
				return true
			}
		}
	}
	return false
}

// isSamePort reports whether two ports, which may be names, are the same. Port 0, which
// means any free port, equals none.
func isSamePort(network, a, b string) bool {
	if a != b {
		n, err := net.LookupPort(network, a)
		m, otherErr := net.LookupPort(network, b)
		return err == nil && otherErr == nil && n == m && n != 0
	}
	return a != "0" && a != ""
}

// addressesOf returns the addresses of a host. An empty host means the machine itself.
func addressesOf(host string, named lookUp) []netip.Addr {
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	switch {
	case host == "":
		return []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	case name == "localhost" || strings.HasSuffix(name, ".localhost"): // RFC 6761
		return []netip.Addr{loopbackLike(netip.IPv4Unspecified()), netip.IPv6Loopback()}
	}
	if address, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{address.Unmap()}
	}
	if named == nil {
		return nil
	}
	return named(host)
}

// loopbackLike returns the loopback address of the same IP version.
func loopbackLike(address netip.Addr) netip.Addr {
	if address.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// isOfThisMachine reports whether an address is one of the machine's.
func isOfThisMachine(address netip.Addr) bool {
	if address.IsLoopback() {
		return true
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range own {
		if network, ok := a.(*net.IPNet); ok {
			if is, ok := netip.AddrFromSlice(network.IP); ok && is.Unmap() == address {
				return true
			}
		}
	}
	return false
}

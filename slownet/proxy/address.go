package proxy

import (
	"fmt"
	"net"
	"strings"
)

// An endpoint is an address at which a proxy listens, or to which it connects.
type endpoint struct {
	network string // "tcp", "udp" or "unix"
	address string // in the form of the net package
}

// parseEndpoint parses "HOST:PORT", "udp:HOST:PORT" or "unix:PATH", with or
// without "//"; "tcp:" is allowed, too. An address without a network gets the
// given one.
func parseEndpoint(s, network string) (endpoint, error) {
	e := endpoint{network, s}
	for _, known := range []string{"tcp", "udp", "unix"} {
		if rest, ok := strings.CutPrefix(s, known+":"); ok {
			e = endpoint{known, strings.TrimPrefix(rest, "//")}
			if known == "unix" && strings.HasPrefix(rest, "///") {
				e.address = rest[2:]
			}
		}
	}
	if e.network == "unix" && e.address == "" {
		return e, fmt.Errorf("address %q: the path of the socket is missing: give one, as in unix:/tmp/db.sock", s)
	}
	return e, nil
}

// String returns the endpoint in the form that parseEndpoint accepts. TCP has no
// prefix, as in Toxiproxy's API.
func (e endpoint) String() string {
	if e.network == "tcp" {
		return e.address
	}
	return e.network + ":" + e.address
}

// endpointOf returns the endpoint of an address of the net package.
func endpointOf(a net.Addr) endpoint { return endpoint{a.Network(), a.String()} }

// isSame reports whether a proxy that listens at e would listen at the same
// address if it were told to listen at other. The two may be written differently.
func (e endpoint) isSame(other endpoint) (bool, error) {
	if e == other {
		return true, nil
	}
	if e.network != other.network {
		return false, nil
	}
	switch e.network {
	case "tcp":
		a, err := net.ResolveTCPAddr("tcp", other.address)
		return err == nil && a.String() == e.address, err
	case "udp":
		a, err := net.ResolveUDPAddr("udp", other.address)
		return err == nil && a.String() == e.address, err
	}
	return false, nil
}

package proxy

import (
	"fmt"
	"net"
	"strings"
)

// An endpoint is where a proxy listens, or what it connects to.
type endpoint struct {
	network string // "tcp", "udp" or "unix"
	address string // for the net package
}

// parseEndpoint reads "HOST:PORT", "udp:HOST:PORT" or "unix:PATH", with "//" or
// without; "tcp:" may be written too. What has no network is of the given one.
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
		return e, fmt.Errorf("address %q: the path of the socket is missing: write it such as unix:/tmp/db.sock", s)
	}
	return e, nil
}

// String returns the endpoint as parseEndpoint reads it; TCP's has no prefix, as
// in Toxiproxy's API.
func (e endpoint) String() string {
	if e.network == "tcp" {
		return e.address
	}
	return e.network + ":" + e.address
}

// endpointOf returns the endpoint that an address of the net package is.
func endpointOf(a net.Addr) endpoint { return endpoint{a.Network(), a.String()} }

// isSame reports whether a proxy that listens at e would listen there if it were
// told to listen at other, which may name the same address in another way.
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

package simtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

// A Host is a machine on the simulated network. All its methods may be called
// from any goroutine.
type Host struct {
	sim    *Sim
	name   string
	number int // by order of creation, from 1
	v4, v6 netip.Addr

	// Guarded by sim.mu.
	listeners map[netip.AddrPort]*listener
	conns     map[*conn]struct{}    // all that are not closed
	diallings map[*dialling]uint64  // those that wait for an answer, with their order
	ports     map[portPair]struct{} // those that connections have
	dials     uint64                // counts calls of DialContext
	dialled   uint64                // numbers connections, as their dials are collected
	lastPort  uint16                // the last local port that was given to a dial
	lastBound uint16                // the last port that was given to a listener
}

// The ports that are given out, to dials and to listeners on port 0: Linux's
// default (net.ipv4.ip_local_port_range).
const (
	firstPort = 32768
	lastPort  = 60999
)

// nextPort returns the port that comes after one.
func nextPort(port uint16) uint16 {
	if port < firstPort || port >= lastPort {
		return firstPort
	}
	return port + 1
}

// A portPair is what tells a host's dialled connections apart.
type portPair struct {
	local  uint16
	remote netip.AddrPort
}

func newHost(s *Sim, name string, number int) *Host {
	return &Host{
		sim:       s,
		name:      name,
		number:    number,
		v4:        netip.AddrFrom4([4]byte{10, byte(number >> 16), byte(number >> 8), byte(number)}),
		v6:        netip.AddrFrom16([16]byte{0: 0xfd, 13: byte(number >> 16), 14: byte(number >> 8), 15: byte(number)}),
		listeners: make(map[netip.AddrPort]*listener),
		conns:     make(map[*conn]struct{}),
		diallings: make(map[*dialling]uint64),
		ports:     make(map[portPair]struct{}),
	}
}

// checkHostName says why a name cannot be a host's.
func checkHostName(name string) error {
	switch _, err := netip.ParseAddr(name); {
	case name == "":
		return errors.New("simtest: a host needs a name")
	case err == nil, name == "localhost", strings.ContainsAny(name, ":/[]% \t\r\n"):
		return fmt.Errorf("simtest: %q cannot be a host's name: use a word such as \"poet\", without port or address", name)
	}
	return nil
}

// Name returns the host's name.
func (h *Host) Name() string { return h.name }

// Addr returns the host's IPv4 address.
func (h *Host) Addr() netip.Addr { return h.v4 }

// Listen listens on one of the host's ports. The network is "tcp", "tcp4" or
// "tcp6". The address is "port" behind a colon for all of the host's addresses,
// or in front of it the host's name, one of its addresses, or "localhost" for
// connections from the host itself; port 0 picks a free one. The errors are
// those of net.Listen, such as EADDRINUSE.
func (h *Host) Listen(network, address string) (net.Listener, error) {
	local, err := h.resolve(network, address, true)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	h.sim.mu.Lock()
	defer h.sim.mu.Unlock()
	l, err := h.listenLocked(network, local)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: net.TCPAddrFromAddrPort(local), Err: err}
	}
	return l, nil
}

// DialContext connects to a host by name or address: "poet:10000". That takes a
// round trip. The network is "tcp", "tcp4" or "tcp6". The errors are those of
// net.Dialer, such as ECONNREFUSED, or a *net.DNSError for an unknown name.
func (h *Host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	remote, err := h.resolve(network, address, false)
	failed := func(err error) (net.Conn, error) {
		dial := &net.OpError{Op: "dial", Net: network, Err: err}
		if remote.IsValid() {
			dial.Addr = net.TCPAddrFromAddrPort(remote)
		}
		return nil, dial
	}
	if ctx.Err() != nil {
		return failed(dialError(ctx.Err()))
	}
	d := h.post(address, remote, err)
	select {
	case result := <-d.result:
		if result != nil {
			return failed(result)
		}
		return d.conn, nil
	case <-ctx.Done():
		if !d.giveUp() {
			// It was answered at the same moment.
			if result := <-d.result; result == nil {
				_ = d.conn.Close()
			}
		}
		return failed(dialError(ctx.Err()))
	}
}

// resolve turns what was given to Listen or DialContext into an address and a
// port. Where local is set the address must be the host's own, and none is all.
func (h *Host) resolve(network, address string, local bool) (netip.AddrPort, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return netip.AddrPort{}, net.UnknownNetworkError(network)
	}
	if address == "" {
		if !local {
			return netip.AddrPort{}, errors.New("missing address")
		}
		address = ":0"
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := services.LookupPort(context.Background(), network, service)
	if err != nil {
		return netip.AddrPort{}, err
	}
	addr, err := h.lookup(network, host, local)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if network == "tcp4" && !addr.Is4() || network == "tcp6" && addr.Is4() {
		return netip.AddrPort{}, &net.AddrError{Err: "no suitable address found", Addr: host}
	}
	if local && !addr.IsUnspecified() && !addr.IsLoopback() && addr != h.v4 && addr != h.v6 {
		return netip.AddrPort{}, syscallError("bind", syscall.EADDRNOTAVAIL)
	}
	return netip.AddrPortFrom(addr, uint16(port)), nil
}

// services knows the ports that have names. It does not call the system's
// resolver, which keeps channels that must not be made in a bubble.
var services = net.Resolver{PreferGo: true}

// lookup returns the address that a name stands for on this host.
func (h *Host) lookup(network, name string, local bool) (netip.Addr, error) {
	v6 := network == "tcp6"
	switch addr, err := netip.ParseAddr(name); {
	case err == nil && !local && addr.IsUnspecified():
		return loopback(addr.Is6()), nil // as connect(2) takes it
	case err == nil:
		return addr.Unmap(), nil
	case name == "" && local && network == "tcp4":
		return netip.IPv4Unspecified(), nil
	case name == "" && local:
		return netip.IPv6Unspecified(), nil
	case name == "" || name == "localhost":
		return loopback(v6), nil
	}
	h.sim.mu.Lock()
	other := h.sim.hosts[name]
	h.sim.mu.Unlock()
	switch {
	case other == nil:
		return netip.Addr{}, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	case v6:
		return other.v6, nil
	}
	return other.v4, nil
}

func loopback(v6 bool) netip.Addr {
	if v6 {
		return netip.IPv6Loopback()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// localPortLocked picks the local port of a new connection: one that neither a
// listener nor another connection to the same remote address has.
func (h *Host) localPortLocked(remote netip.AddrPort) (port uint16, ok bool) {
	for range lastPort - firstPort + 1 {
		h.lastPort = nextPort(h.lastPort)
		_, taken := h.ports[portPair{h.lastPort, remote}]
		if !taken && !h.listensLocked(h.lastPort) {
			return h.lastPort, true
		}
	}
	return 0, false
}

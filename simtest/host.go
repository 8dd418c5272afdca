package simtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A Host is a machine on the simulated network. All its methods may be called
// from any goroutine of the simulation.
type Host struct {
	sim     *Sim
	name    string
	number  int // by order of creation, from 1
	v4, v6  netip.Addr
	random  *rand.Rand
	streams atomic.Uint64 // counts the random streams that the overlay has given the host
	tcp     *netem.TCP    // of its future connections; guarded by sim.mu
	access  *access       // nil until it is set; guarded by sim.mu

	// Guarded by sim.mu.
	listeners  map[netip.AddrPort]*listener
	sockets    map[netip.AddrPort]*packetConn
	conns      map[*conn]struct{}     // connections that are not closed
	halfClosed int                    // number of connections that are closed here but not at the peer
	diallings  map[*dialling]struct{} // dials that wait for an answer
	ports      ports                  // of listeners, sockets and connections
	dials      uint64                 // counts calls of DialContext
	dialled    uint64                 // numbers connections, in the order in which dials are collected
	bound      uint64                 // numbers sockets
	programs   []*program             // passed to Run
	lifetime   lifetime               // of functions passed to Go
	down       bool                   // the host has crashed
	killed     bool                   // the host's process was killed
	crashes    uint32                 // counts crashes
	skew       time.Duration          // of its clock
	rules      map[uint16][]rule      // for packets to one of its ports, or to any port (0)
	cutOff     *hostSet               // packets to these hosts are lost
	paused     bool
	parked     []event    // events that were due while the host was paused
	catchingUp bool       // the host was resumed, and its parked events happen one by one
	line       line       // of operations on the host
	chaos      *hostChaos // nil for none

	lookups map[*pendingLookup]struct{} // lookups in progress
}

func newHost(s *Sim, name string, number int) *Host {
	return &Host{
		sim:       s,
		name:      name,
		number:    number,
		v4:        netip.AddrFrom4([4]byte{10, byte(number >> 16), byte(number >> 8), byte(number)}),
		v6:        netip.AddrFrom16([16]byte{0: 0xfd, 13: byte(number >> 16), 14: byte(number >> 8), 15: byte(number)}),
		tcp:       s.tcp,
		random:    rand.New(&lockedSource{source: rand.NewPCG(s.seed, mix64.Mix(s.seed, uint64(number)<<8))}),
		listeners: make(map[netip.AddrPort]*listener),
		sockets:   make(map[netip.AddrPort]*packetConn),
		conns:     make(map[*conn]struct{}),
		diallings: make(map[*dialling]struct{}),
		ports:     newPorts(),
		lookups:   make(map[*pendingLookup]struct{}),
	}
}

// checkHostName returns an error if a name cannot be the name of a host.
func checkHostName(name string) error {
	switch _, err := netip.ParseAddr(name); {
	case name == "":
		return errors.New("simtest: a host needs a name")
	case err == nil, plainName(name) == "localhost", strings.ContainsAny(name, ":/[]% \t\r\n"), strings.HasSuffix(name, "."):
		return fmt.Errorf("simtest: %q cannot be a host's name: use a word such as \"poet\", without port or address", name)
	}
	return nil
}

// plainName returns the canonical spelling of a name: names are compared without regard
// to case, and may end in a dot.
func plainName(name string) string {
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

// Name returns the host's name, in the spelling with which it was created.
func (h *Host) Name() string { return h.name }

// Addr returns the host's IPv4 address.
func (h *Host) Addr() netip.Addr { return h.v4 }

// Addr6 returns the host's IPv6 address.
func (h *Host) Addr6() netip.Addr { return h.v6 }

// Rand returns the host's own source of random numbers, which is seeded from the
// simulation's seed and the host's number.
func (h *Host) Rand() *rand.Rand { return h.random }

// SetTCP configures TCP for connections that the host dials or accepts from now on. The
// default is [Config.TCP]. If either host has [netem.Unlimited], connections between
// them are ideal streams. SetTCP panics on an invalid TCP; see [netem.TCP.Validate].
func (h *Host) SetTCP(tcp netem.TCP) {
	if err := tcp.Validate(); err != nil {
		panic(fmt.Sprintf("simtest: Host.SetTCP: %v", err))
	}
	h.sim.control(fmt.Sprintf("tcp %q %v", h.name, tcp), func() { h.tcp = orDefault(tcp, h.sim.tcp.Window) })
}

// Listen listens on one of the host's ports. The network is "tcp", "tcp4" or "tcp6".
// The address is ":port" for all of the host's addresses, or "host:port", where host is
// the host's name, one of its addresses, or "localhost" for connections from the host
// itself. Port 0 picks a free port. The errors are net.Listen's, such as EADDRINUSE.
func (h *Host) Listen(network, address string) (net.Listener, error) {
	f, local, err := h.parseLocal(network, address, false)
	if err != nil {
		return nil, err
	}
	h.sim.mu.Lock()
	defer h.sim.mu.Unlock()
	l, err := h.listenLocked(network, f, local)
	if err != nil {
		return nil, listenError(network, f.shown(local), err)
	}
	return l, nil
}

// parseLocal parses the arguments of Listen or ListenPacket. It reports the same errors
// as the net package, in the same order.
func (h *Host) parseLocal(network, address string, datagrams bool) (f family, local netip.AddrPort, err error) {
	f, err = parseNetwork(network)
	if err == nil {
		local, err = h.resolveLocal(f, network, address)
	}
	if err != nil {
		return f, local, listenError(network, nil, err)
	}
	if f.datagrams != datagrams {
		err = listenError(network, f.shown(local), &net.AddrError{Err: "unexpected address type", Addr: address})
	}
	return f, local, err
}

func listenError(network string, addr net.Addr, err error) error {
	return &net.OpError{Op: "listen", Net: network, Addr: addr, Err: err}
}

// DialContext connects to a port of a host, given by name or address: "poet:10000". With
// network "tcp", "tcp4" or "tcp6" the dial takes a round trip; with "udp", "udp4" or
// "udp6" it takes no time, and the connection is also a net.PacketConn. The errors are
// net.Dialer's, such as ECONNREFUSED, or a *net.DNSError for an unknown name. As with a
// net.Dialer, the hooks of a net/http/httptrace.ClientTrace in ctx are called for the
// lookup of a name and for each address that is tried.
//
// A name may resolve to several hosts, see [Name]. With TCP their addresses are tried
// as a net.Dialer tries them: the addresses of a family in turn, each when the previous
// one has failed or has used up its share of the time until the context's deadline (at
// least 2 s). With "tcp", IPv4 addresses are tried first; after 300 ms, or when all of them
// have failed, IPv6 addresses are tried as well (RFC 8305). The first connection made
// is returned, or if there is none, the error of the first address.
//
// The name of a single host resolves to two addresses. With "tcp", IPv4 is tried, and
// IPv6 if the host refuses IPv4 and listens on IPv6; if IPv6 fails, too, the error is
// that of IPv4. (A net.Dialer always tries all addresses, the second after 300 ms. Here
// both addresses have the same route to the same host, so a dial takes one round trip.)
// If an [Only] distinguishes the families, IPv6 is tried after 300 ms.
func (h *Host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	f, err := parseNetwork(network)
	var room [2]netip.AddrPort // for one host
	remotes := room[:0]
	if err == nil {
		remotes, err = h.resolveRemote(ctx, f, network, address, remotes)
	}
	failed := func(err error) (net.Conn, error) {
		var addr net.Addr
		if len(remotes) > 0 {
			addr = f.shown(remotes[0])
		}
		return nil, &net.OpError{Op: "dial", Net: network, Addr: addr, Err: err}
	}
	ended := contextError(ctx)
	switch {
	case isUnknownNetwork(err):
		return failed(err)
	case err == nil && ended != nil:
		return failed(dialError(ended))
	case err != nil && (ended != nil || f.datagrams):
		return failed(err)
	case f.datagrams:
		trace := newDialTrace(ctx, network, f, 1)
		trace.started(remotes[0])
		c, err := h.dialPackets(network, address, f, f.destination(remotes[0]))
		trace.over(remotes[0], err)
		trace.end(err)
		if err != nil {
			return failed(err)
		}
		return c, nil
	}
	c, err := h.dial(ctx, network, f, address, remotes, err)
	if err != nil {
		return failed(err)
	}
	return c, nil
}

// isUnknownNetwork reports whether an error is due to an unknown network.
func isUnknownNetwork(err error) bool {
	return err != nil && errors.As(err, new(net.UnknownNetworkError))
}

// Dial is DialContext without a context.
func (h *Host) Dial(network, address string) (net.Conn, error) {
	return h.DialContext(context.Background(), network, address)
}

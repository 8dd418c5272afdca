package simtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A Host is a machine on the simulated network. All its methods may be called
// from any goroutine of the simulation.
type Host struct {
	sim    *Sim
	name   string
	number int // by order of creation, from 1
	v4, v6 netip.Addr
	random *rand.Rand
	tcp    *netem.TCP // of connections that it makes from now on; guarded by sim.mu
	access *access    // nil until it is set; guarded by sim.mu

	// Guarded by sim.mu.
	listeners  map[netip.AddrPort]*listener
	sockets    map[netip.AddrPort]*packetConn
	conns      map[*conn]struct{}     // all that are not closed
	halfClosed int                    // connections that are not among conns, but among their peers'
	diallings  map[*dialling]struct{} // those that wait for an answer
	ports      ports                  // of listeners, sockets and connections
	dials      uint64                 // counts calls of DialContext
	dialled    uint64                 // numbers connections, as their dials are collected
	bound      uint64                 // numbers sockets
	programs   []*program             // that Run was given
	lifetime   lifetime               // of goroutines that Go was given
	down       bool                   // it has crashed
	killed     bool                   // its process was
	crashes    uint32                 // counts them
	skew       time.Duration          // of its clock
	rules      map[uint16][]rule      // on what is sent to a port of it, or to any, 0
	cutOff     *hostSet               // from these hosts: whatever is sent to them is lost
	paused     bool
	parked     []event    // what has happened to it while it was paused
	catchingUp bool       // it was resumed, and the parked events happen one by one
	line       line       // of what is done to it
	chaos      *hostChaos // nil for none

	lookups map[*pendingLookup]struct{} // those that take time
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

// checkHostName says why a name cannot be a host's.
func checkHostName(name string) error {
	switch _, err := netip.ParseAddr(name); {
	case name == "":
		return errors.New("simtest: a host needs a name")
	case err == nil, plainName(name) == "localhost", strings.ContainsAny(name, ":/[]% \t\r\n"), strings.HasSuffix(name, "."):
		return fmt.Errorf("simtest: %q cannot be a host's name: use a word such as \"poet\", without port or address", name)
	}
	return nil
}

// plainName returns a name in the spelling that all others of it have in common:
// names are compared without regard to case, and may have a dot at the end.
func plainName(name string) string {
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

// Name returns the host's name, as it was created.
func (h *Host) Name() string { return h.name }

// Addr returns the host's IPv4 address.
func (h *Host) Addr() netip.Addr { return h.v4 }

// Addr6 returns the host's IPv6 address.
func (h *Host) Addr6() netip.Addr { return h.v6 }

// Rand returns a source of random numbers of the host's own, which the seed
// decides.
func (h *Host) Rand() *rand.Rand { return h.random }

// SetTCP says how TCP works on the host: for connections that it dials or accepts
// from now on. Until it is set it is [Config.TCP]. If one of two hosts has
// [netem.Unlimited], so has a connection between them. SetTCP panics on a TCP that
// cannot be; see [netem.TCP.Validate].
func (h *Host) SetTCP(tcp netem.TCP) {
	if err := tcp.Validate(); err != nil {
		panic(fmt.Sprintf("simtest: Host.SetTCP: %v", err))
	}
	h.sim.control(fmt.Sprintf("tcp %q %v", h.name, tcp), func() { h.tcp = orDefault(tcp, h.sim.tcp.Window) })
}

// Listen listens on one of the host's ports. The network is "tcp", "tcp4" or
// "tcp6". The address is "port" behind a colon for all of the host's addresses,
// or in front of it the host's name, one of its addresses, or "localhost" for
// connections from the host itself; port 0 picks a free one. The errors are
// those of net.Listen, such as EADDRINUSE.
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

// parseLocal takes apart what was given to Listen or ListenPacket, and reports
// what is wrong with it as the net package does, and in its order.
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

// DialContext connects to a host by name or address: "poet:10000". The network
// is "tcp", "tcp4" or "tcp6", and it takes a round trip; or it is "udp", "udp4"
// or "udp6", for a connection that is also a net.PacketConn, and it takes no
// time. The errors are those of net.Dialer, such as ECONNREFUSED, or a
// *net.DNSError for an unknown name. As with a net.Dialer, the hooks of a
// net/http/httptrace.ClientTrace in ctx are called for the lookup of a name and
// for each address that is tried.
//
// A name may stand for several hosts, see [Name]. With TCP their addresses are
// tried as by a net.Dialer: those of a family one after another, each when the
// one before has failed or has used up its share of the time until the
// context's deadline (2 s at least). With "tcp" those of IPv4 are tried first;
// after 300 ms, or when all of them have failed, those of IPv6 are tried as
// well (RFC 8305). The first connection made is returned; if there is none, the
// error of the first address.
//
// A name that stands for one host stands for two addresses. With "tcp", IPv4 is
// tried, and IPv6 when the host refuses that and listens on the other; if that
// fails as well, the error is the first's. (A net.Dialer tries all addresses in any
// case, and the second after 300 ms. Here both are the same route to the same
// host, so a dial takes the round trip of one.) If an [Only] distinguishes the
// families, IPv6 is tried after the 300 ms.
func (h *Host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	f, err := parseNetwork(network)
	var room [2]netip.AddrPort // a host's
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

// isUnknownNetwork reports whether an error says that there is no such network.
func isUnknownNetwork(err error) bool {
	return err != nil && errors.As(err, new(net.UnknownNetworkError))
}

// Dial is DialContext without a context.
func (h *Host) Dial(network, address string) (net.Conn, error) {
	return h.DialContext(context.Background(), network, address)
}

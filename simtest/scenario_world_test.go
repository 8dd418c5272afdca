package simtest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A world is the environment of a scenario: a network with the host of a client and the
// host of a server. On loopback both hosts are this machine; in the simulator they are
// two hosts or one.
type world struct {
	*testing.T
	client, server *node
	name           string // of the server; it resolves to v4 and v6
	simulated      bool
	others         []*node        // hosts other than the server
	wait           sync.WaitGroup // for calls that run later
}

// A node is one of the hosts.
type node struct {
	network
	v4, v6 string // addresses of its own
	other  string // another IPv4 address
}

// A network is the interface of a host's network.
type network interface {
	Listen(network, address string) (net.Listener, error)
	ListenPacket(network, address string) (net.PacketConn, error)
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
	Lookup() resolver
}

// A resolver is the part of net.Resolver that the scenarios use.
type resolver interface {
	LookupHost(ctx context.Context, host string) ([]string, error)
	LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupPort(ctx context.Context, network, service string) (int, error)
	LookupCNAME(ctx context.Context, host string) (string, error)
	LookupTXT(ctx context.Context, name string) ([]string, error)
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupNS(ctx context.Context, name string) ([]*net.NS, error)
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
}

// sockets are the network of this machine.
type sockets struct{ *net.Dialer }

func (sockets) Listen(network, address string) (net.Listener, error) {
	return net.Listen(network, address)
}

func (sockets) ListenPacket(network, address string) (net.PacketConn, error) {
	return net.ListenPacket(network, address)
}

func (s sockets) Lookup() resolver { return s.Resolver }

// hosts are the networks of simulated hosts.
type hosts struct{ *simtest.Host }

func (h hosts) Lookup() resolver { return h.Resolver() }

// eachWorld runs a scenario on loopback, between two simulated hosts, with and without
// a seed, and on a single simulated host.
func eachWorld(t *testing.T, scenario func(w *world)) {
	t.Run("loopback", func(t *testing.T) {
		if runtime.GOOS != "linux" {
			t.Skip("sockets of other systems differ in detail, and may have no addresses 127.x.y.z")
		}
		// Other programs rarely use more than one address of 127.0.0.0/8. With an
		// address of its own, a scenario can rely on its closed ports not being taken
		// by others.
		here := &node{v4: ownLoopback(), v6: "::1", other: ownLoopback()}
		names := newLoopbackResolver(loopbackName, netip.MustParseAddr(here.v4), netip.MustParseAddr(here.v6))
		here.network = sockets{&net.Dialer{Resolver: names}}
		runScenario(&world{T: t, client: here, server: here, name: loopbackName}, scenario)
	})
	simulated := func(tcp netem.TCP, seed uint64, client, server string) func(t *testing.T) {
		return func(t *testing.T) {
			simtest.Config{TCP: tcp, Seed: seed, KeepPools: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
				nodeOf := func(host *simtest.Host) *node {
					return &node{network: hosts{host}, v4: host.Addr().String(), v6: host.Addr6().String(), other: "127.0.0.1"}
				}
				w := &world{T: t, client: nodeOf(sim.Host(client)), server: nodeOf(sim.Host(server)), name: server, simulated: true}
				runScenario(w, scenario)
			})
		}
	}
	t.Run("simulated", simulated(netem.TCP{}, 0, "client", "server"))
	t.Run("simulated with a seed", simulated(netem.TCP{}, 1, "client", "server"))
	t.Run("simulated on one host", simulated(netem.TCP{}, 0, "host", "host"))
	t.Run("simulated over TCP", simulated(netem.TCP{Congestion: netem.Reno}, 0, "client", "server"))
}

// ownLoopback returns a loopback address that almost certainly no other program uses.
func ownLoopback() string {
	number := rand.Uint32()
	return netip.AddrFrom4([4]byte{127, byte(number>>16) | 1, byte(number >> 8), byte(number) | 1}).String()
}

func runScenario(w *world, scenario func(w *world)) {
	w.Cleanup(w.wait.Wait) // after everything is closed, even if the scenario fails
	scenario(w)
}

// arrive waits until everything sent before has arrived, on either network.
func (w *world) arrive() { time.Sleep(20 * ms) }

// later runs f when everything sent before has arrived, and goroutines are waiting.
func (w *world) later(f func()) {
	w.wait.Go(func() {
		w.arrive()
		f()
	})
}

// needIPv6 skips the rest where this machine has no IPv6.
func (w *world) needIPv6() {
	if w.simulated {
		return
	}
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		w.Skip("no IPv6 on this machine: ", err)
	}
	_ = l.Close()
}

// unknownName is a name that never exists (RFC 6761).
const unknownName = "nowhere.invalid"

// needNameServer skips the rest if this machine has no name server. Listening on a name
// asks it; dials and lookups ask the scenario's own.
func (w *world) needNameServer() {
	if w.simulated {
		return
	}
	ctx, cancel := context.WithTimeout(w.Context(), 10*time.Second)
	defer cancel()
	if _, err := net.DefaultResolver.LookupHost(ctx, unknownName); !isNotFound(err) {
		w.Skip("no name server of this machine says that a name does not exist: ", err)
	}
}

// isNotFound reports whether an error says that a name does not exist.
func isNotFound(err error) bool {
	var dnsError *net.DNSError
	return errors.As(err, &dnsError) && dnsError.IsNotFound
}

// listen listens on the server's IPv4 address and a free port.
func (w *world) listen() net.Listener {
	w.Helper()
	return w.listenOn(w.server, "tcp", w.server.v4+":0")
}

func (w *world) listenOn(n *node, network, address string) net.Listener {
	w.Helper()
	l, err := n.Listen(network, address)
	require.NoError(w, err)
	w.Cleanup(func() { _ = l.Close() })
	return l
}

// listenOnFamily listens on all addresses of one family, "tcp4" or "tcp6", on a port
// that is free on the other family.
func (w *world) listenOnFamily(network string) net.Listener {
	w.Helper()
	others, address := "tcp6", w.server.v6
	if network == "tcp6" {
		others, address = "tcp4", w.server.v4
	}
	for {
		l := w.listenOn(w.server, network, ":0")
		probe, err := w.server.Listen(others, at(address, l.Addr()))
		if err == nil {
			_ = probe.Close()
			return l
		}
		_ = l.Close()
	}
}

// dial connects the client.
func (w *world) dial(network, address string) stream {
	w.Helper()
	conn, err := w.client.DialContext(w.Context(), network, address)
	require.NoError(w, err)
	w.Cleanup(func() { _ = conn.Close() })
	return conn.(stream)
}

func (w *world) accept(l net.Listener) stream {
	w.Helper()
	conn, err := l.Accept()
	require.NoError(w, err)
	w.Cleanup(func() { _ = conn.Close() })
	return conn.(stream)
}

// A stream is the interface of a TCP connection.
type stream interface {
	net.Conn
	half
}

// A half is the interface of connections beyond net.Conn.
type half interface {
	CloseWrite() error
	CloseRead() error
	SetLinger(seconds int) error
}

// options are further settings of a TCP connection.
type options interface {
	SetNoDelay(noDelay bool) error
	SetKeepAlive(keepAlive bool) error
	SetKeepAlivePeriod(d time.Duration) error
	SetKeepAliveConfig(config net.KeepAliveConfig) error
	SetReadBuffer(bytes int) error
	SetWriteBuffer(bytes int) error
}

// A datagrams is the interface of a UDP socket, connected or not.
type datagrams interface {
	net.Conn
	net.PacketConn
	ReadFromUDPAddrPort(b []byte) (n int, addr netip.AddrPort, err error)
	WriteToUDPAddrPort(b []byte, addr netip.AddrPort) (int, error)
	ReadFromUDP(b []byte) (int, *net.UDPAddr, error)
	WriteToUDP(b []byte, addr *net.UDPAddr) (int, error)
	ReadMsgUDP(b, oob []byte) (n, oobn, flags int, addr *net.UDPAddr, err error)
	WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error)
	ReadMsgUDPAddrPort(b, oob []byte) (n, oobn, flags int, addr netip.AddrPort, err error)
	WriteMsgUDPAddrPort(b, oob []byte, addr netip.AddrPort) (n, oobn int, err error)
	SetReadBuffer(bytes int) error
	SetWriteBuffer(bytes int) error
}

// packets opens a UDP socket on a port of the host.
func (w *world) packets(n *node, network, address string) datagrams {
	w.Helper()
	conn, err := n.ListenPacket(network, address)
	require.NoError(w, err)
	w.Cleanup(func() { _ = conn.Close() })
	require.Implements(w, (*datagrams)(nil), conn)
	return conn.(datagrams)
}

// connect opens a connected UDP socket on the client's host.
func (w *world) connect(address string) datagrams {
	w.Helper()
	conn, err := w.client.DialContext(w.Context(), "udp", address)
	require.NoError(w, err)
	w.Cleanup(func() { _ = conn.Close() })
	require.Implements(w, (*datagrams)(nil), conn)
	return conn.(datagrams)
}

// closedPort returns an address of the server without a listener.
func (w *world) closedPort(network string) string {
	w.Helper()
	if network == "udp" {
		conn := w.packets(w.server, "udp", w.server.v4+":0")
		require.NoError(w, conn.Close())
		return conn.LocalAddr().String()
	}
	l := w.listen()
	require.NoError(w, l.Close())
	return l.Addr().String()
}

// full returns a listener whose queue is full: a dial gets no answer.
func (w *world) full() net.Listener {
	w.Helper()
	l := w.listen()
	w.fill(l)
	return l
}

// fill fills the queue of a listener.
func (w *world) fill(l net.Listener) {
	w.Helper()
	size := 4096
	if !w.simulated {
		size = 1
		shrinkBacklog(w, l, 0)
	}
	for range size {
		w.dial("tcp", l.Addr().String())
	}
	w.arrive()
}

// at returns an address with the port of another.
func at(ip string, port net.Addr) string {
	return net.JoinHostPort(ip, strconv.Itoa(portOf(port)))
}

func portOf(addr net.Addr) int {
	switch addr := addr.(type) {
	case *net.TCPAddr:
		return addr.Port
	case *net.UDPAddr:
		return addr.Port
	}
	panic(fmt.Sprintf("%T", addr))
}

// assertNoError is for goroutines other than the scenario's.
func (w *world) assertNoError(err error) {
	w.Helper()
	assert.NoError(w, err)
}

package kernel

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slowpoetry/slowpoetry/internal/wire"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// heartbeat is the maximum interval at which each direction checks the clock, to
// measure its lateness: on a busy machine it also sees packets from the kernel late.
const heartbeat = 2 * time.Millisecond

// The hosts' addresses.
var (
	clientAddress = netip.MustParsePrefix("10.0.0.1/24")
	serverAddress = netip.MustParsePrefix("10.0.0.2/24")
)

// A Path is a path between a client and a server, which have separate network
// stacks.
type Path struct {
	hosts          [2]*namespace // the client and the server
	up, down       *wire.Direction
	upCut, downCut cut
	running        sync.WaitGroup
}

// NewPath creates a path. Its lines draw from the seed. The hosts' devices have the
// smaller of the two directions' MTUs, which Reset does not change.
func NewPath(profile netem.Profile, seed uint64) (*Path, error) {
	p := &Path{}
	for i, address := range []netip.Prefix{clientAddress, serverAddress} {
		host, err := newNamespace(address, min(profile.Up.MTU, profile.Down.MTU))
		if err != nil {
			p.closeHosts()
			return nil, fmt.Errorf("measuring the kernel needs network namespaces and /dev/net/tun: run it as root: %w", err)
		}
		p.hosts[i] = host
	}
	start := time.Now()
	for _, d := range []struct {
		direction **wire.Direction
		link      netem.Link
		from, to  int
		cut       *cut
	}{
		{&p.up, profile.Up, p.hosts[0].tun, p.hosts[1].tun, &p.upCut},
		{&p.down, profile.Down, p.hosts[1].tun, p.hosts[0].tun, &p.downCut},
	} {
		direction, err := wire.New(d.link, 0, wire.Config{
			From:       d.from,
			PacketSize: d.link.PacketSize(),
			Deliver:    func(packet []byte) { _, _ = unix.Write(d.to, packet) }, // packets that the kernel rejects are lost
			Admit:      d.cut.admit,
			Identify:   new(wire.Flows).Identify, // for FQ-CoDel
			Start:      start,
			Heartbeat:  heartbeat,
		})
		if err != nil {
			p.Close()
			return nil, err
		}
		*d.direction = direction
		p.running.Go(direction.Run)
	}
	p.Reset(profile, seed)
	return p, nil
}

// Close ends the path, and waits until it has ended.
func (p *Path) Close() {
	for _, d := range []*wire.Direction{p.up, p.down} {
		if d != nil {
			d.Stop()
		}
	}
	p.running.Wait()
	p.closeHosts()
}

func (p *Path) closeHosts() {
	for _, host := range p.hosts {
		if host != nil {
			host.close()
		}
	}
}

// Reset gives the path new lines that are not cut, and discards the packets in flight
// and the measured lateness.
func (p *Path) Reset(profile netem.Profile, seed uint64) {
	p.upCut.reset()
	p.downCut.reset()
	p.up.Reset(profile.Up, 2*seed+1)
	p.down.Reset(profile.Down, 2*seed+2)
}

// Cut sets whether all packets from the client (up) and from the server (down) are
// dropped from now on, whatever the lines would do.
func (p *Path) Cut(up, down bool) {
	p.upCut.set(up)
	p.downCut.set(down)
}

// Lost returns the times at which Cut dropped packets from the client, since the last
// Reset.
func (p *Path) Lost() []time.Time { return p.upCut.lostAt() }

// Late returns the lateness of packets since the last Reset.
func (p *Path) Late() wire.Lateness { return p.up.Late().And(p.down.Late()) }

// Listen makes the server listen on a port. Its connections have tcp's congestion
// control algorithm and user timeout.
func (p *Path) Listen(port int, tcp netem.TCP) (net.Listener, error) {
	config := net.ListenConfig{Control: control(tcp)}
	config.SetMultipathTCP(false)
	var listener net.Listener
	err := p.hosts[1].do(func() (err error) {
		listener, err = config.Listen(context.Background(), "tcp4", fmt.Sprintf("%v:%d", serverAddress.Addr(), port))
		return err
	})
	return listener, err
}

// Dial makes the client dial the server, with the socket options of Listen.
func (p *Path) Dial(ctx context.Context, port int, tcp netem.TCP) (net.Conn, error) {
	dialer := net.Dialer{Control: control(tcp)}
	var conn net.Conn
	err := p.hosts[0].do(func() (err error) {
		conn, err = dialer.DialContext(ctx, "tcp4", fmt.Sprintf("%v:%d", serverAddress.Addr(), port))
		return err
	})
	return conn, err
}

// control sets a socket's options.
func control(tcp netem.TCP) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, tcp.Congestion.String())
			if failed == nil {
				failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(tcp.UserTimeout.Milliseconds()))
			}
		})
		if err == nil {
			err = failed
		}
		return err
	}
}

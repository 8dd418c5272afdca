package kernel

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// The hosts' addresses.
var (
	clientAddress = netip.MustParsePrefix("10.0.0.1/24")
	serverAddress = netip.MustParsePrefix("10.0.0.2/24")
)

// A Path is a path between a client and a server, each with a kernel of its own, as
// far as the network is concerned.
type Path struct {
	hosts    [2]*namespace // the client and the server
	up, down *direction
	stop     atomic.Bool
	running  sync.WaitGroup
}

// NewPath makes a path. Its lines, by which packets pass, have the seed.
func NewPath(profile netem.Profile, seed uint64) (*Path, error) {
	p := &Path{}
	for i, address := range []netip.Prefix{clientAddress, serverAddress} {
		host, err := newNamespace(address)
		if err != nil {
			p.closeHosts()
			return nil, fmt.Errorf("to measure the kernel needs network namespaces and /dev/net/tun, run it as root: %w", err)
		}
		p.hosts[i] = host
	}
	start := time.Now()
	p.up = &direction{from: p.hosts[0].tun, to: p.hosts[1].tun, start: start}
	p.down = &direction{from: p.hosts[1].tun, to: p.hosts[0].tun, start: start}
	p.Reset(profile, seed)
	for _, d := range []*direction{p.up, p.down} {
		p.running.Go(func() {
			_ = onThread(func() error { d.run(&p.stop); return nil })
		})
	}
	return p, nil
}

// Close ends the path, and waits until it has ended.
func (p *Path) Close() {
	p.stop.Store(true)
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

// Reset gives the path new lines that are not cut, and forgets what is on its way and
// how late packets were.
func (p *Path) Reset(profile netem.Profile, seed uint64) {
	p.up.reset(profile.Up, 2*seed+1)
	p.down.reset(profile.Down, 2*seed+2)
}

// Cut says in which directions packets are lost from now on, however they fare on the
// lines: what the client sends, what the server sends.
func (p *Path) Cut(up, down bool) {
	p.up.setCut(up)
	p.down.setCut(down)
}

// Lost returns when packets that the client has sent were lost to Cut, since the last
// Reset.
func (p *Path) Lost() []time.Time { return p.up.lostToCut() }

// Lateness is how late packets were.
type Lateness struct {
	Most    time.Duration
	Packets int // all
	Late    int // by more than three milliseconds
}

// IsTooMuch reports whether so many were late that a measurement is worth nothing.
func (l Lateness) IsTooMuch() bool { return l.Late > l.Packets/100 }

// Late returns how late packets were since the last Reset.
func (p *Path) Late() (l Lateness) {
	for _, d := range []*direction{p.up, p.down} {
		l.Most = max(l.Most, time.Duration(d.mostLate.Load()))
		l.Packets += int(d.arrived.Load())
		l.Late += int(d.late.Load())
	}
	return l
}

// Listen has the server listen at a port. Its connections have the congestion control
// algorithm and the user timeout.
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

// Dial has the client dial the server, by a socket like Listen's.
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

package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// A serving is an enabled proxy, from the start of listening until it stops.
type serving struct {
	proxy  *Proxy
	at     endpoint // the address at which it listens
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup // of its goroutines

	mu       sync.Mutex     // guards the fields below
	listener net.Listener   // nil while clients are refused, and for datagrams
	packets  net.PacketConn // nil for streams
}

func errMixed(listen, upstream endpoint) error {
	return fmt.Errorf("%s and %s do not match: datagrams cannot become a stream, so either both must be udp: or none", listen, upstream)
}

func errLoop(listen, upstream endpoint) error {
	return fmt.Errorf("the proxy listens at %s and would connect to itself at %s: give the address of a server", listen, upstream)
}

// listenAt starts listening.
func (p *Proxy) listenAt(at endpoint) (*serving, error) {
	s := &serving{proxy: p, at: at}
	if at.network == "udp" {
		packets, err := net.ListenPacket(at.network, at.address)
		if err != nil {
			return nil, err
		}
		s.packets, s.at = packets, endpointOf(packets.LocalAddr())
	} else {
		listener, err := listenStream(at)
		if err != nil {
			return nil, err
		}
		s.listener, s.at = listener, endpointOf(listener.Addr())
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// listenStream listens for connections. It removes the file of a Unix socket on which
// nothing listens any longer.
func listenStream(at endpoint) (net.Listener, error) {
	listener, err := net.Listen(at.network, at.address)
	if at.network != "unix" || !errors.Is(err, syscall.EADDRINUSE) {
		return listener, err
	}
	conn, dialErr := net.Dial(at.network, at.address)
	if dialErr == nil {
		_ = conn.Close()
	}
	if !errors.Is(dialErr, syscall.ECONNREFUSED) || os.Remove(at.address) != nil {
		return nil, err
	}
	return net.Listen(at.network, at.address)
}

// run serves in the background.
func (s *serving) run() {
	if s.packets != nil {
		s.done.Go(s.receive)
		return
	}
	s.done.Go(s.accept)
}

// stop stops listening and connecting, and waits until both have ended. Connections
// continue. It reports whether the proxy was listening; while clients are refused, it is
// not.
func (s *serving) stop() (listened bool) {
	s.cancel()
	s.mu.Lock()
	listened = s.listener != nil || s.packets != nil
	if s.listener != nil {
		_ = s.listener.Close()
	}
	if s.packets != nil {
		_ = s.packets.Close()
	}
	s.mu.Unlock()
	s.done.Wait()
	return listened
}

// accept connects clients to the server until the serving is stopped.
func (s *serving) accept() {
	wait := time.Duration(0)
	for s.ctx.Err() == nil {
		s.mu.Lock()
		listener := s.listener
		s.mu.Unlock()
		if listener == nil {
			s.awaitUpstream()
			continue
		}
		client, err := listener.Accept()
		switch {
		case err == nil:
			wait = 0
			s.done.Go(func() { s.connect(client) })
		case s.ctx.Err() != nil || errors.Is(err, net.ErrClosed):
		default:
			s.proxy.server.tell(ServerEvent{Kind: NotAccepted, Proxy: s.proxy.name, Err: err})
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			s.sleep(wait)
		}
	}
}

// sleep waits for d, or until the serving is stopped.
func (s *serving) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ctx.Done():
	}
}

// connect connects a client to the server.
func (s *serving) connect(client net.Conn) {
	p := s.proxy
	number := p.nextNumber()
	server, at, err := p.connect(s.ctx, number)
	if err != nil {
		s.unreachable(client, err)
		return
	}
	c := p.join(number, client, server, at)
	p.server.tell(ServerEvent{Kind: Opened, Proxy: p.name, Client: client.RemoteAddr()})
	c.start()
}

// unreachable handles a client when the server cannot be reached, as configured.
func (s *serving) unreachable(client net.Conn, err error) {
	p := s.proxy
	p.mu.Lock()
	does, upstream := p.config.DeadUpstream, p.upstream
	p.mu.Unlock()
	if does != CloseClient {
		s.sleep(minResetDelay)
		setLinger(client)
	}
	_ = client.Close()
	if s.ctx.Err() != nil {
		return
	}
	p.server.tell(ServerEvent{Kind: Unreachable, Proxy: p.name, Client: client.RemoteAddr(), Upstream: upstream.String(), Err: err})
	if does == RefuseClients {
		s.refuse()
	}
}

// refuse stops listening, so that clients are refused.
func (s *serving) refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil || s.ctx.Err() != nil {
		return
	}
	_ = s.listener.Close()
	s.listener = nil
	s.proxy.server.tell(ServerEvent{Kind: Stopped, Proxy: s.proxy.name, Listen: s.at.String()})
}

// probeTime is the interval between attempts to reach a server.
const probeTime = 100 * time.Millisecond

// awaitUpstream waits until the server can be reached again, and then listens.
func (s *serving) awaitUpstream() {
	s.sleep(probeTime)
	s.proxy.mu.Lock()
	to := s.proxy.upstream
	s.proxy.mu.Unlock()
	probe, err := new(net.Dialer).DialContext(s.ctx, to.network, to.address)
	s.proxy.attempted(s.ctx, err)
	if err != nil {
		return
	}
	_ = probe.Close()
	listener, err := listenStream(s.at)
	if err != nil {
		s.proxy.server.tell(ServerEvent{Kind: NotListening, Proxy: s.proxy.name, Listen: s.at.String(), Err: err})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		_ = listener.Close()
		return
	}
	s.listener = listener
	s.proxy.server.tell(ServerEvent{Kind: Started, Proxy: s.proxy.name, Listen: s.at.String(), Upstream: to.String()})
}

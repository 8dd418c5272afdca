package proxy

import (
	"cmp"
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet"
)

// A Proxy listens for clients and connects them to a server. It is created by
// [Server.Add]. All changes take effect at once, on existing connections too, and wait
// for no connection.
type Proxy struct {
	server *Server
	name   string

	starting sync.Mutex // held while the proxy is started, stopped or readdressed

	set     atomic.Pointer[toxicSet] // changed while mu is held
	linking sync.Mutex               // held while connections are put on links, before mu

	mu       sync.Mutex // guards the fields below
	asked    endpoint   // the address at which it was told to listen
	listen   endpoint   // the address at which it listens, or will listen
	upstream endpoint
	config   Config    // except the values that have fields here
	made     uint64    // toxics so far
	links    [2]*toxic // the toxics that are links, by Stream
	paths    map[pathKey]*slownet.Path
	serving  *serving // nil while the proxy is disabled
	schedule *runningSchedule

	interruption interruption
	recorder     recorder
	unreachable  atomic.Pointer[error] // of the latest attempt to connect to the server; nil if it succeeded

	connsMu sync.Mutex // guards the fields below
	conns   map[*conn]struct{}
	peers   map[string]*peer
	count   uint64 // connections so far
	past    [2]int64
}

// newProxy checks a configuration and returns its proxy.
func newProxy(s *Server, c Config) (*Proxy, error) {
	if c.Name == "" {
		return nil, missing("name")
	}
	if c.Upstream == "" {
		return nil, missing("upstream")
	}
	way, err := c.hop()
	if err == nil && way.listen.isReachedBy(way.upstream, nil) {
		err = errLoop(way.listen, way.upstream)
	}
	if err != nil {
		return nil, badRequest(err)
	}
	if err := c.Schedule.validate(); err != nil {
		return nil, badRequest(err)
	}
	p := &Proxy{server: s, name: c.Name, asked: way.listen, listen: way.listen, upstream: way.upstream, config: c, paths: map[pathKey]*slownet.Path{}, conns: map[*conn]struct{}{}, peers: map[string]*peer{}}
	p.set.Store(&toxicSet{})
	for _, t := range c.Toxics {
		if _, err := p.AddToxic(t); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// begin starts the proxy and its schedule.
func (p *Proxy) begin(c Config) error {
	if !c.Disabled {
		if err := p.SetEnabled(true); err != nil {
			return err
		}
	}
	p.setSchedule(c.Schedule)
	return nil
}

// close ends the proxy and its connections.
func (p *Proxy) close() {
	p.setSchedule(Schedule{})
	_ = p.SetEnabled(false)
}

// Name returns the proxy's name.
func (p *Proxy) Name() string { return p.name }

// Config returns the current configuration. Its Listen is the actual address, with the
// actual port.
func (p *Proxy) Config() Config {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.config
	c.Listen, c.Upstream, c.Disabled = p.listen.String(), p.upstream.String(), p.serving == nil
	c.Toxics = nil
	for _, s := range []Stream{Upstream, Downstream, Both} { // in Toxiproxy's order
		for _, t := range p.set.Load().all {
			if t.Stream == s {
				c.Toxics = append(c.Toxics, t.Toxic)
			}
		}
	}
	return c
}

// SetEnabled starts or stops the proxy. Stopping closes its connections.
func (p *Proxy) SetEnabled(enabled bool) error {
	p.starting.Lock()
	defer p.starting.Unlock()
	return p.setEnabled(enabled)
}

// setEnabled must be called with starting held.
func (p *Proxy) setEnabled(enabled bool) error {
	p.mu.Lock()
	serving, listen := p.serving, p.listen
	p.mu.Unlock()
	switch {
	case enabled == (serving != nil):
		return nil
	case enabled:
		return p.start(listen)
	}
	p.mu.Lock()
	p.serving = nil
	p.mu.Unlock()
	listened := serving.stop()
	p.unreachable.Store(nil)
	p.closeAll(false)
	if listened {
		p.server.tell(ServerEvent{Kind: Stopped, Proxy: p.name, Listen: listen.String()})
	}
	return nil
}

// start listens and starts serving.
func (p *Proxy) start(at endpoint) error {
	serving, err := p.listenAt(at)
	if err != nil {
		return err
	}
	p.serve(serving)
	return nil
}

// serve starts serving the given listener.
func (p *Proxy) serve(serving *serving) {
	p.mu.Lock()
	p.listen = serving.at
	p.serving = serving
	upstream := p.upstream
	p.mu.Unlock()
	p.server.tell(ServerEvent{Kind: Started, Proxy: p.name, Listen: serving.at.String(), Upstream: upstream.String()})
	serving.run()
}

// Update changes the addresses of the proxy, and starts or stops it. A changed address
// closes its connections. If listening fails, the proxy is disabled.
func (p *Proxy) Update(listen, upstream string, enabled bool) error {
	to, err := newProxy(p.server, Config{Name: p.name, Listen: listen, Upstream: upstream})
	if err != nil {
		return err
	}
	p.starting.Lock()
	defer p.starting.Unlock()
	p.mu.Lock()
	at, server := p.listen, p.upstream
	p.mu.Unlock()
	same, err := at.isSame(to.listen)
	if err != nil {
		return err
	}
	if !same || server != to.upstream {
		_ = p.setEnabled(false)
		p.move(to, same)
	}
	return p.setEnabled(enabled)
}

// move gives the proxy the addresses of another proxy. If same is set, the address for
// clients stays as it is.
func (p *Proxy) move(to *Proxy, same bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !same {
		p.listen, p.asked = to.listen, to.listen
	}
	p.upstream = to.upstream
}

// differs reports whether a configuration would change the proxy's addresses.
func (p *Proxy) differs(listen, upstream string) (bool, error) {
	to, err := newProxy(p.server, Config{Name: p.name, Listen: listen, Upstream: upstream})
	if err != nil {
		return false, err
	}
	p.mu.Lock()
	at, server := p.listen, p.upstream
	p.mu.Unlock()
	same, err := at.isSame(to.listen)
	return !same || server != to.upstream, err
}

// reset enables the proxy and removes its toxics.
func (p *Proxy) reset() error {
	err := p.SetEnabled(true)
	_ = p.change(func([]*toxic) ([]*toxic, error) { return nil, nil })
	return err
}

// ResetConns resets all connections, at both ends.
func (p *Proxy) ResetConns() { p.closeAll(true) }

// closeAll closes all connections. Without reset it also closes the sockets for the clients
// of a datagram proxy. It closes all of them concurrently: the net package closes a socket
// only when the goroutine that reads from it has returned, and on a busy machine each such
// goroutine may wait long for a processor.
func (p *Proxy) closeAll(reset bool) {
	var closing sync.WaitGroup
	for _, c := range p.all() {
		closing.Go(func() { c.close(reset) })
	}
	if !reset {
		for _, c := range p.allPeers() {
			closing.Go(c.close)
		}
	}
	closing.Wait()
}

// all returns the connections, sorted by number.
func (p *Proxy) all() []*conn {
	p.connsMu.Lock()
	defer p.connsMu.Unlock()
	all := make([]*conn, 0, len(p.conns))
	for c := range p.conns {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *conn) int { return cmp.Compare(a.number, b.number) })
	return all
}

// nextNumber returns the number for a new connection.
func (p *Proxy) nextNumber() uint64 {
	p.connsMu.Lock()
	defer p.connsMu.Unlock()
	p.count++
	return p.count
}

// UpstreamError returns the error of the latest attempt to connect to the server, or nil if
// it succeeded, if there was none, or if the proxy is disabled. A new attempt is made for
// each client, and with [RefuseClients] every 100 ms.
func (p *Proxy) UpstreamError() error {
	if err := p.unreachable.Load(); err != nil {
		return *err
	}
	return nil
}

// connect connects the client with the given number to the server.
func (p *Proxy) connect(ctx context.Context, number uint64) (net.Conn, placement, error) {
	p.mu.Lock()
	to, lookup := p.upstream, p.lookupLocked()
	path, at := p.placeLocked(number)
	p.mu.Unlock()
	dial := new(net.Dialer).DialContext
	if path != nil {
		dialer := path.Dialer()
		dialer.Lookup = lookup
		dial = dialer.DialContext
	}
	conn, err := dial(ctx, to.network, to.address)
	p.attempted(ctx, err)
	return conn, at, err
}

// attempted notes the result of an attempt to connect to the server, unless it was cancelled.
func (p *Proxy) attempted(ctx context.Context, err error) {
	switch {
	case err == nil:
		p.unreachable.Store(nil)
	case ctx.Err() == nil:
		p.unreachable.Store(&err)
	}
}

// join creates a connection of a client and a server.
func (p *Proxy) join(number uint64, client, server net.Conn, at placement) *conn {
	c := newConn(p, number, client, server, at)
	p.linking.Lock()
	defer p.linking.Unlock()
	p.mu.Lock()
	p.connsMu.Lock()
	p.conns[c] = struct{}{}
	p.connsMu.Unlock()
	set := p.linkLocked(c) // the links may have changed since the server was dialled
	p.mu.Unlock()
	if set != nil {
		set()
	}
	for i := range c.flows {
		c.flows[i].tryFollow()
	}
	return c
}

// forget removes a connection that is closed.
func (p *Proxy) forget(c *conn, reset bool) {
	p.connsMu.Lock()
	up, down := c.passed()
	delete(p.conns, c)
	p.past[Upstream] += up
	p.past[Downstream] += down
	p.connsMu.Unlock()
	kind := Closed
	if reset {
		kind = WasReset
	}
	p.server.tell(ServerEvent{Kind: kind, Proxy: p.name, Client: c.client.RemoteAddr(), Up: up, Down: down, Elapsed: time.Since(c.began)})
}

func (p *Proxy) setDeadUpstream(d DeadUpstream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.config.DeadUpstream = d
}

package proxy

import (
	"cmp"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet"
)

// A peer is a client of a datagram proxy, and has a socket of its own to the
// server. It has a goroutine that waits for the server's datagrams, and one for
// each direction while its toxics hold datagrams.
type peer struct {
	proxy        *Proxy
	number       uint64
	began        time.Time
	client       net.Addr
	back         net.PacketConn // the proxy's socket
	closed       chan struct{}
	lastReceived atomic.Int64    // time of the last datagram, on the server's time line
	flows        [2]datagramFlow // by Stream
	ending       sync.Once
	link         placement // guarded by the proxy's linking

	mu      sync.Mutex // guards the fields below
	raw     net.Conn
	wrapped *slownet.PacketConn
	left    chan struct{} // closed when the reader has left raw
}

// A datagramFlow is one direction of a peer's datagrams.
type datagramFlow struct {
	peer   *peer
	stream Stream
	toxics atomic.Pointer[toxicSet] // the toxics in effect; set while the lock is held

	followLock // guards the fields below
	line       pipeline
	meter      meter
	writing    bool
	wake       chan struct{}
}

// defaultIdleTimeout is used for a Config without an IdleTimeout.
const defaultIdleTimeout = time.Minute

// receive passes the clients' datagrams on until the serving stops.
func (s *serving) receive() {
	buffer := make([]byte, 64<<10)
	for {
		n, client, err := s.packets.ReadFrom(buffer)
		switch {
		case s.ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			continue // an ICMP message about a client that is gone
		}
		if p := s.peerOf(client); p != nil {
			p.lastReceived.Store(int64(s.proxy.server.now()))
			p.flows[Upstream].push(append([]byte(nil), buffer[:n]...))
		}
	}
}

// peerOf returns the peer of a client, which may be a new one. It returns nil if the
// server cannot be reached.
func (s *serving) peerOf(client net.Addr) *peer {
	p := s.proxy
	p.connsMu.Lock()
	known := p.peers[client.String()]
	p.connsMu.Unlock()
	if known != nil {
		return known
	}
	number := p.nextNumber()
	server, at, err := p.connect(s.ctx, number)
	if err != nil {
		if s.ctx.Err() == nil {
			p.server.tell(ServerEvent{Kind: Unreachable, Proxy: p.name, Client: client, Err: err})
		}
		return nil
	}
	c := &peer{proxy: p, number: number, began: time.Now(), client: client, back: s.packets, closed: make(chan struct{}), raw: server, link: at}
	if wrapped, ok := server.(*slownet.PacketConn); ok {
		c.wrapped, c.raw = wrapped, wrapped.NetPacketConn().(net.Conn)
	}
	for i := range c.flows {
		c.flows[i].peer, c.flows[i].stream, c.flows[i].wake = c, Stream(i), make(chan struct{}, 1)
	}
	p.linking.Lock()
	defer p.linking.Unlock()
	p.mu.Lock()
	p.connsMu.Lock()
	p.peers[client.String()] = c
	p.connsMu.Unlock()
	set := p.linkPeerLocked(c)
	p.mu.Unlock()
	if set != nil {
		set()
	}
	for i := range c.flows {
		c.flows[i].tryFollow()
	}
	p.server.tell(ServerEvent{Kind: Opened, Proxy: p.name, Client: client})
	p.server.running.run(c.answer)
	return c
}

// conn returns the connection over which datagrams are sent to the server.
func (c *peer) conn() net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wrapped != nil {
		return c.wrapped
	}
	return c.raw
}

// reader returns the connection from which the server's datagrams are read. Reads on it
// fail after the limit.
func (c *peer) reader(limit time.Duration) net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn := c.raw
	if c.wrapped != nil {
		if c.left != nil {
			_ = c.raw.SetReadDeadline(time.Time{}) // the wrapper sets its own
			close(c.left)
			c.left = nil
		}
		conn = c.wrapped
	}
	_ = conn.SetReadDeadline(time.Now().Add(limit))
	return conn
}

// answer passes the server's datagrams on until the peer is closed or idle.
func (c *peer) answer() {
	defer c.close()
	limit := cmp.Or(c.proxy.config.IdleTimeout, defaultIdleTimeout)
	buffer := make([]byte, 64<<10)
	for {
		n, err := c.reader(limit).Read(buffer)
		select {
		case <-c.closed:
			return
		default:
		}
		now := c.proxy.server.now()
		switch {
		case err == nil:
			c.lastReceived.Store(int64(now))
			c.flows[Downstream].push(append([]byte(nil), buffer[:n]...))
		case errors.Is(err, net.ErrClosed), now-time.Duration(c.lastReceived.Load()) >= limit:
			return
		}
	}
}

// close forgets the client.
func (c *peer) close() {
	c.ending.Do(func() {
		close(c.closed)
		_ = c.conn().Close()
		p := c.proxy
		p.connsMu.Lock()
		up, down := c.passed()
		delete(p.peers, c.client.String())
		p.past[Upstream] += up
		p.past[Downstream] += down
		p.connsMu.Unlock()
		p.server.tell(ServerEvent{Kind: Closed, Proxy: p.name, Client: c.client, Up: up, Down: down, Elapsed: time.Since(c.began)})
	})
}

func (w *datagramFlow) lock() { w.followLock.lock(w) }

func (w *datagramFlow) unlock() { w.followLock.unlock(w) }

func (w *datagramFlow) tryFollow() bool { return w.try(w) }

func (w *datagramFlow) isBehind() bool { return w.toxics.Load() != w.peer.proxy.set.Load() }

// followLocked puts datagrams through the proxy's current toxics.
func (w *datagramFlow) followLocked() {
	set := w.peer.proxy.set.Load()
	if w.toxics.Swap(set) == set {
		return
	}
	w.line.restage(restaging{w.peer.proxy.server.now(), set.all, w.peer.number, w.stream, true})
	if !w.line.isEmpty() {
		w.wakeWriterLocked()
	}
}

// push sends a datagram, or drops it if too many are held.
func (w *datagramFlow) push(data []byte) {
	w.lock()
	defer w.unlock()
	if !w.line.hasRoom(0) {
		return
	}
	now := w.peer.proxy.server.now()
	it := item{data: data, at: now}
	w.line.put(0, now, it)
	w.wakeWriterLocked()
}

func (w *datagramFlow) wakeWriterLocked() {
	if w.writing {
		signalTo(w.wake)
		return
	}
	w.writing = true
	w.peer.proxy.server.running.run(w.write)
}

// write sends due datagrams until none is held.
func (w *datagramFlow) write() {
	w.lock()
	defer w.unlock()
	server := w.peer.proxy.server
	for {
		now := server.now()
		w.line.advance(now)
		if !w.line.out.isEmpty() {
			it := w.line.out.pop()
			w.meter.add(now, len(it.data))
			w.unlock()
			w.send(it.data)
			w.lock()
			continue
		}
		at, ok := w.line.next(now)
		if !ok {
			break
		}
		w.unlock()
		sleepUntil(at-server.now(), w.wake, w.peer.closed)
		w.lock()
		select {
		case <-w.peer.closed:
			w.writing = false
			return
		default:
		}
	}
	w.writing = false
}

// send sends a datagram. An error counts as a loss on the network.
func (w *datagramFlow) send(data []byte) {
	if w.stream == Upstream {
		_, _ = w.peer.conn().Write(data)
		return
	}
	_, _ = w.peer.back.WriteTo(data, w.peer.client)
}

// allPeers returns the clients of a datagram proxy, sorted by number.
func (p *Proxy) allPeers() []*peer {
	p.connsMu.Lock()
	defer p.connsMu.Unlock()
	all := make([]*peer, 0, len(p.peers))
	for _, c := range p.peers {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *peer) int { return cmp.Compare(a.number, b.number) })
	return all
}

// linkPeerLocked returns a function that puts a client on the current links, as linkLocked
// does.
func (p *Proxy) linkPeerLocked(c *peer) (set func()) {
	c.mu.Lock()
	wrapped := c.wrapped
	c.mu.Unlock()
	if wrapped == nil {
		path, at := p.placeLocked(c.number)
		if path == nil {
			return nil
		}
		return func() { c.wrap(path, at) }
	}
	to, before := p.moved(c.link, c.number), c.link
	c.link = to
	if !to.mustBeSet(before) {
		return nil
	}
	return func() { wrapped.SetLinks(to.read, to.write) }
}

// wrap puts the peer's datagrams on a path.
func (c *peer) wrap(path *slownet.Path, at placement) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.closed:
		return
	default:
	}
	c.wrapped, c.link = path.PacketConn(c.raw.(net.PacketConn)), at
	_ = c.raw.SetReadDeadline(aLongTimeAgo) // so that the reader continues over the link
	c.left = make(chan struct{})
	c.proxy.interruption.add(c.left)
}

package simtest

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet"
)

// window is how many bytes may be sent and not yet read by the peer before a
// writer blocks.
const window = 1 << 20

// A side tells the two ends of a connection apart.
type side int

const (
	dialler side = iota
	accepter
)

// A conn is one end of a simulated connection. What the one end sends arrives
// in the other's inbox.
type conn struct {
	sim           *Sim
	host          *Host
	peer          *conn
	side          side
	dialHost      int    // with number, what connections are ordered by
	number        uint64 // by order of dialling on that host
	local, remote net.Addr
	localPort     uint16 // the dialler's, to be freed

	// Guarded by sim.mu.
	posted uint64 // counts actions
	closed bool   // here, by Close or with the simulation
	reset  bool   // by the peer
	err    error  // what the reset is reported as, once
	linger int    // as in SetLinger

	// What arrives.
	readable     sync.Cond
	readDeadline deadline
	inbox        [][]byte
	ended        bool   // the peer's end of stream has arrived
	readClosed   bool   // by CloseRead
	taken        int    // bytes read since the peer was last told
	notify       func() // see NotifyReadable

	// What is sent.
	writable      sync.Cond
	writeDeadline deadline
	outstanding   int  // bytes sent of which the peer has not told that they were read
	blocked       int  // writers waiting for the window
	finished      bool // the end of stream has been sent
	route         *route
	routeVersion  int // that the flow has
	flow          *slownet.Flow
}

// newConnPair returns the dialling end of a new connection; its peer is the
// other end.
func newConnPair(from, to *Host, number uint64, local, remote netip.AddrPort) *conn {
	client := newConn(from, to, from.number, number, local, remote)
	server := newConn(to, from, from.number, number, remote, local)
	client.peer, server.peer = server, client
	client.localPort = local.Port()
	server.side = accepter
	return client
}

func newConn(host, to *Host, dialHost int, number uint64, local, remote netip.AddrPort) *conn {
	c := &conn{
		sim:      host.sim,
		host:     host,
		dialHost: dialHost,
		number:   number,
		local:    net.TCPAddrFromAddrPort(local),
		remote:   net.TCPAddrFromAddrPort(remote),
		linger:   -1,
		route:    host.sim.routeLocked(host.name, to.name),
		flow:     slownet.NewFlow(slownet.Link{}),
	}
	c.readable.L, c.writable.L = &c.sim.mu, &c.sim.mu
	c.readDeadline.passed = c.readable.Broadcast
	c.writeDeadline.passed = c.writable.Broadcast
	return c
}

// openLocked counts the connection among its host's.
func (c *conn) openLocked() {
	if c.sim.closed {
		c.closed = true
		return
	}
	c.host.conns[c] = struct{}{}
}

// freePortLocked gives the port of a dialling end back.
func (c *conn) freePortLocked() {
	if c.side != dialler {
		return
	}
	if c.host.ports[c.localPort]--; c.host.ports[c.localPort] == 0 {
		delete(c.host.ports, c.localPort)
	}
}

// postLocked hands the network something that the connection wants.
func (c *conn) postLocked(do func()) {
	c.posted++
	c.sim.postLocked(key{host: c.dialHost, conn: c.number, side: c.side, sequence: c.posted}, do)
}

// sendLocked puts n bytes on their way to the peer; arrive is called for each
// piece of them, with its size. With n = 0 it is called once, behind all that
// was sent before. Only the loop calls sendLocked.
func (c *conn) sendLocked(n int, arrive func(n int)) {
	if c.routeVersion != c.route.version {
		c.routeVersion = c.route.version
		c.flow.SetLink(c.route.link)
	}
	for {
		piece := c.flow.Send(c.sim.now(), n)
		c.sim.queue.push(piece.Arrive, func() { arrive(piece.Bytes) })
		if n -= piece.Bytes; n <= 0 {
			return
		}
	}
}

// Read reads what has arrived, and waits if nothing has.
func (c *conn) Read(p []byte) (int, error) {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	for {
		if c.readDeadline.expired && !c.closed {
			return 0, c.opError("read", os.ErrDeadlineExceeded)
		}
		if n, err := c.readLocked(p); err != syscall.EAGAIN {
			return n, c.opError("read", err)
		}
		c.readable.Wait()
	}
}

// TryRead reads what has arrived, and does not wait: if nothing has, it returns
// syscall.EAGAIN. Deadlines do not matter to it.
func (c *conn) TryRead(p []byte) (int, error) {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	n, err := c.readLocked(p)
	if err == syscall.EAGAIN {
		return 0, err
	}
	return n, c.opError("read", err)
}

// readLocked reads without waiting. The errors, and their order, are those of
// a socket.
func (c *conn) readLocked(p []byte) (n int, err error) {
	switch {
	case c.closed:
		return 0, net.ErrClosed
	case len(p) == 0:
		return 0, nil
	}
	for n < len(p) && len(c.inbox) > 0 {
		copied := copy(p[n:], c.inbox[0])
		n += copied
		if c.inbox[0] = c.inbox[0][copied:]; len(c.inbox[0]) == 0 {
			c.inbox[0] = nil
			c.inbox = c.inbox[1:]
		}
	}
	switch {
	case n > 0:
		c.tookLocked(n)
		return n, nil
	case c.ended:
		return 0, io.EOF
	case c.err != nil:
		err, c.err = c.err, nil
		return 0, syscallError("read", err.(syscall.Errno))
	case c.reset || c.readClosed:
		return 0, io.EOF
	}
	return 0, syscall.EAGAIN
}

// tookLocked counts bytes that were read, and tells the peer when its writers
// wait for that or half of the window is free.
func (c *conn) tookLocked(n int) {
	c.taken += n
	if c.taken >= window/2 || c.peer.blocked > 0 {
		c.postLocked(c.grantLocked)
	}
}

// grantLocked tells the peer how much was read. That takes the link's latency,
// but no room on it. Only the loop calls it.
func (c *conn) grantLocked() {
	taken := c.taken
	c.taken = 0
	if taken == 0 {
		return
	}
	c.sim.queue.push(c.sim.now()+c.route.link.Latency, func() {
		c.peer.outstanding -= taken
		c.peer.writable.Broadcast()
	})
}

// NotifyReadable asks for f to be called whenever something becomes readable:
// bytes, the end of the stream, or an error. If something is, f is called at
// once. It may be called from any goroutine and must not block. Nil ends it.
func (c *conn) NotifyReadable(f func()) {
	c.sim.mu.Lock()
	defer c.sim.unlock()
	c.notify = f
	if len(c.inbox) > 0 || c.ended || c.reset || c.closed || c.readClosed {
		c.tellLocked()
	}
}

// tellLocked wakes those who wait for something to read.
func (c *conn) tellLocked() {
	c.readable.Broadcast()
	if c.notify != nil {
		c.sim.notices = append(c.sim.notices, c.notify)
	}
}

// Write sends p. It waits while the window is full.
func (c *conn) Write(p []byte) (n int, err error) {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	for {
		if err := c.writeErrorLocked(); err != nil {
			return n, c.opError("write", err)
		}
		if room := min(window-c.outstanding, len(p)-n); room > 0 {
			c.outstanding += room
			c.transmitLocked(append([]byte(nil), p[n:n+room]...))
			n += room
		}
		if n == len(p) {
			return n, nil
		}
		c.blocked++
		c.postLocked(c.peer.grantLocked)
		c.writable.Wait()
		c.blocked--
	}
}

// writeErrorLocked returns what stands in the way of a write, in the order in
// which a socket would tell.
func (c *conn) writeErrorLocked() error {
	switch {
	case c.closed:
		return net.ErrClosed
	case c.writeDeadline.expired:
		return os.ErrDeadlineExceeded
	case c.err != nil:
		err := c.err
		c.err = nil
		return syscallError("write", err.(syscall.Errno))
	case c.reset || c.finished:
		return syscallError("write", syscall.EPIPE)
	}
	return nil
}

// transmitLocked sends bytes, which belong to the network from now on.
func (c *conn) transmitLocked(data []byte) {
	c.postLocked(func() {
		c.sendLocked(len(data), func(n int) {
			c.peer.arriveLocked(data[:n:n])
			data = data[n:]
		})
	})
}

// arriveLocked is what happens when bytes arrive. Where nobody can read them
// any more, the answer is a reset.
func (c *conn) arriveLocked(data []byte) {
	switch {
	case c.closed:
		c.resetPeerLocked()
	case !c.reset:
		c.inbox = append(c.inbox, data)
		c.tellLocked()
	}
}

// CloseWrite ends the stream in this direction, behind what was written.
func (c *conn) CloseWrite() error {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	switch {
	case c.closed:
		return c.opError("close", net.ErrClosed)
	case c.reset:
		return c.opError("close", syscallError("shutdown", syscall.ENOTCONN))
	}
	c.finishLocked()
	c.writable.Broadcast()
	return nil
}

// finishLocked sends the end of the stream, if that was not done yet.
func (c *conn) finishLocked() {
	if c.finished {
		return
	}
	c.finished = true
	c.postLocked(func() {
		c.sendLocked(0, func(int) {
			if !c.peer.closed && !c.peer.reset {
				c.peer.ended = true
				c.peer.tellLocked()
			}
		})
	})
}

// CloseRead makes reads end when what has arrived is read.
func (c *conn) CloseRead() error {
	c.sim.mu.Lock()
	defer c.sim.unlock()
	switch {
	case c.closed:
		return c.opError("close", net.ErrClosed)
	case c.reset:
		return c.opError("close", syscallError("shutdown", syscall.ENOTCONN))
	}
	c.readClosed = true
	c.tellLocked()
	return nil
}

// SetLinger with zero makes Close a reset. Other values change nothing: Close
// never waits, and what was written is delivered behind its back.
func (c *conn) SetLinger(seconds int) error {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	c.linger = seconds
	return nil
}

// Close closes the connection. What was written arrives before the close does,
// unless there is something unread or SetLinger was set to zero: then the peer
// is reset.
func (c *conn) Close() error {
	c.sim.mu.Lock()
	defer c.sim.unlock()
	if c.closed {
		return c.opError("close", net.ErrClosed)
	}
	if len(c.inbox) > 0 || c.linger == 0 {
		c.postLocked(c.resetPeerLocked)
	} else if !c.reset {
		c.finishLocked()
	}
	c.vanishLocked()
	return nil
}

// resetLocked closes the connection with a reset of the peer.
func (c *conn) resetLocked() {
	if !c.closed {
		c.postLocked(c.resetPeerLocked)
		c.vanishLocked()
	}
}

// resetPeerLocked sends a reset, behind all that was sent. Only the loop calls
// it.
func (c *conn) resetPeerLocked() {
	if c.reset {
		return
	}
	c.sendLocked(0, func(int) {
		peer := c.peer
		if peer.closed || peer.reset {
			return
		}
		peer.reset, peer.err = true, syscall.ECONNRESET
		if peer.ended {
			peer.err = syscall.EPIPE
		}
		peer.tellLocked()
		peer.writable.Broadcast()
	})
}

// vanishLocked closes this end without a word to the peer.
func (c *conn) vanishLocked() {
	if c.closed {
		return
	}
	c.closed, c.inbox = true, nil
	delete(c.host.conns, c)
	c.freePortLocked()
	c.readDeadline.stopLocked()
	c.writeDeadline.stopLocked()
	c.tellLocked()
	c.writable.Broadcast()
}

// LocalAddr returns the address of this end, a *net.TCPAddr.
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the address of the other end, a *net.TCPAddr.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines.
func (c *conn) SetDeadline(t time.Time) error {
	return c.setDeadlines(t, &c.readDeadline, &c.writeDeadline)
}

// SetReadDeadline sets when Read gives up. The zero time is never.
func (c *conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, &c.readDeadline) }

// SetWriteDeadline sets when Write gives up. The zero time is never.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, &c.writeDeadline) }

func (c *conn) setDeadlines(t time.Time, deadlines ...*deadline) error {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	for _, d := range deadlines {
		d.setLocked(&c.sim.mu, t)
	}
	return nil
}

// opError dresses an error as the net package does.
func (c *conn) opError(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

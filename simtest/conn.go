package simtest

import (
	"io"
	"net"
	"net/netip"
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
	ports         portPair // the dialler's, to be freed

	// Guarded by sim.mu.
	posted [kinds]uint64 // counts actions
	closed bool          // here, by Close or with the simulation
	reset  bool          // by the peer
	err    error         // what the reset is reported as, once
	linger int           // as in SetLinger

	// What arrives.
	readable     sync.Cond
	readDeadline deadline
	inbox        [][]byte
	ended        bool   // the peer's end of stream has arrived
	readClosed   bool   // by CloseRead
	taken        int    // bytes read since the peer was last told
	wanted       bool   // the peer waits to be told; only the loop changes it
	notify       func() // see NotifyReadable

	// What is sent.
	writable      sync.Cond
	writeDeadline deadline
	outstanding   int  // bytes sent of which the peer has not told that they were read
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
	client.ports = portPair{local.Port(), remote}
	from.ports[client.ports] = struct{}{}
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
		flow:     slownet.NewFlow(slownet.Link{}, number<<1),
	}
	c.readable.L, c.writable.L = &c.sim.mu, &c.sim.mu
	c.readDeadline.wake = c.readable.Broadcast
	c.writeDeadline.wake = c.writable.Broadcast
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
	if c.side == dialler {
		delete(c.host.ports, c.ports)
	}
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
		c.postLocked(sending, c.resetPeerLocked)
	} else if !c.reset {
		c.finishLocked()
	}
	c.vanishLocked()
	return nil
}

// resetLocked closes the connection with a reset of the peer.
func (c *conn) resetLocked() {
	if !c.closed {
		c.postLocked(sending, c.resetPeerLocked)
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

package simtest

import (
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// backlog is the number of connections that can wait to be accepted: Linux's
// default (net.core.somaxconn since 5.4).
const backlog = 4096

// A listener is a net.Listener on a simulated host.
type listener struct {
	host    *Host
	network string
	addr    netip.AddrPort
	dual    bool // dual stack: the unspecified address of IPv6 also covers IPv4

	// Guarded by host.sim.mu.
	ready    fifo[*conn]  // waiting to be accepted
	accepts  waits[*conn] // calls of Accept
	deadline deadline
	closed   bool
}

func (h *Host) listenLocked(network string, f family, local netip.AddrPort) (*listener, error) {
	if err := h.bindErrorLocked(local); err != nil {
		return nil, err
	}
	l := &listener{host: h, network: network}
	l.addr, l.dual = f.bind(local)
	if local.Port() == 0 {
		port, ok := h.ports.nextListener()
		if !ok {
			return nil, syscallError("bind", syscall.EADDRINUSE)
		}
		l.addr = netip.AddrPortFrom(l.addr.Addr(), port)
	}
	if h.listeners[l.addr] != nil || h.ports.listeners.overlaps(l.addr, l.dual) || h.overlapsDialLocked(l.addr, l.dual) {
		return nil, syscallError("bind", syscall.EADDRINUSE)
	}
	h.ports.listeners.add(l.addr, l.dual, 1)
	h.listeners[l.addr] = l
	return l, nil
}

// listenerLocked returns the listener for a connection to the address.
func (h *Host) listenerLocked(to netip.AddrPort) *listener {
	l := h.listeners[to]
	if l == nil {
		l = h.listeners[netip.AddrPortFrom(netip.IPv6Unspecified(), to.Port())]
		if to.Addr().Is4() && (l == nil || !l.dual) {
			l = h.listeners[netip.AddrPortFrom(netip.IPv4Unspecified(), to.Port())]
		}
	}
	if l == nil || l.closed {
		return nil
	}
	return l
}

func (l *listener) isFullLocked() bool { return l.ready.len() >= backlog }

// confirmedLocked handles the confirmation: it queues the connection for Accept.
func (l *listener) confirmedLocked(c *conn) {
	switch {
	case c.isForgotten(): // by Sim.Reset in the meantime
		return
	case l.host.down: // an acknowledgement is not retransmitted
		c.closes()
		return
	case l.closed:
		c.resetPeerLocked()
		c.closes()
		return
	}
	c.network = l.network
	if l.dual {
		c.local.AddrPort, c.remote.AddrPort = mapped(c.local.AddrPort), mapped(c.remote.AddrPort)
	}
	c.openLocked()
	l.host.sim.recordLocked(&trace.Event{Kind: trace.Accept, From: c.far.name, To: c.host.name, Conn: c.id()})
	l.ready.push(c)
	l.goOnAcceptingLocked()
}

// Accept waits for the next connection.
func (l *listener) Accept() (net.Conn, error) {
	l.host.sim.mu.Lock()
	defer l.host.sim.mu.Unlock()
	var c *conn
	err, over := l.acceptLocked(&c)
	if !over {
		c, err = l.accepts.waitLocked(&l.host.sim.accepts, &l.host.sim.mu, nil)
	}
	if err != nil {
		return nil, l.opError("accept", err)
	}
	return c, nil
}

// goOnAcceptingLocked passes ready connections to waiting calls.
func (l *listener) goOnAcceptingLocked() { l.accepts.serveLocked(&l.deadline, l.acceptLocked) }

// acceptLocked removes the next connection. It returns false if there is none.
func (l *listener) acceptLocked(c **conn) (err error, over bool) {
	switch {
	case l.closed:
		return net.ErrClosed, true
	case l.deadline.hasPassedLocked():
		return os.ErrDeadlineExceeded, true
	case l.ready.len() == 0:
		return nil, false
	}
	*c = l.ready.pop()
	return nil, true
}

// SetDeadline sets the deadline of Accept. The zero time is none.
func (l *listener) SetDeadline(t time.Time) error {
	l.host.sim.mu.Lock()
	defer l.host.sim.mu.Unlock()
	if l.host.closesLocked(l, l.closed) {
		return net.ErrClosed // as with *net.TCPListener
	}
	l.deadline.setLocked(&l.host.sim.mu, &l.accepts, t)
	return nil
}

// Close stops listening and resets the connections that were not accepted.
func (l *listener) Close() error {
	l.host.sim.mu.Lock()
	defer l.host.sim.mu.Unlock()
	if l.host.closesLocked(l, l.closed) {
		return l.opError("close", net.ErrClosed)
	}
	for _, c := range l.ready.waiting() {
		c.resetLocked()
	}
	l.vanishLocked()
	return nil
}

// vanishLocked closes the listener without notifying anyone.
func (l *listener) vanishLocked() {
	l.closed = true
	l.ready.drop()
	l.deadline.stopLocked()
	if l.host.listeners[l.addr] == l {
		delete(l.host.listeners, l.addr)
		l.host.ports.listeners.add(l.addr, l.dual, -1)
	}
	l.wakeLocked()
}

func (l *listener) isWaitedForLocked() bool { return l.accepts.first != nil }

func (l *listener) wakeLocked() { l.goOnAcceptingLocked() }

// Addr returns the listener's address and port.
func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }

func (l *listener) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: l.network, Addr: l.Addr(), Err: err}
}

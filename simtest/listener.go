package simtest

import (
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// backlog is how many connections may wait to be accepted; Linux's default
// (net.core.somaxconn since 5.4).
const backlog = 4096

// A listener is a net.Listener on a simulated host.
type listener struct {
	host *Host
	addr netip.AddrPort
	dual bool // its address is all of IPv6, and of IPv4 too

	// Guarded by host.sim.mu.
	arrived sync.Cond // told when ready or closed changes
	ready   []*conn   // waiting to be accepted
	closed  bool
}

func (h *Host) listenLocked(network string, local netip.AddrPort) (*listener, error) {
	if h.sim.closed {
		return nil, net.ErrClosed
	}
	l := &listener{host: h, addr: local, dual: network == "tcp" && local.Addr() == netip.IPv6Unspecified()}
	l.arrived.L = &h.sim.mu
	if local.Port() == 0 {
		l.addr = netip.AddrPortFrom(local.Addr(), h.listenPortLocked())
	}
	for _, other := range h.listeners {
		if l.overlaps(other) {
			return nil, syscallError("bind", syscall.EADDRINUSE)
		}
	}
	h.listeners[l.addr] = l
	return l, nil
}

// overlaps reports whether some connection could be for either listener.
func (l *listener) overlaps(other *listener) bool {
	if l.addr.Port() != other.addr.Port() {
		return false
	}
	a, b := l.addr.Addr(), other.addr.Addr()
	sameFamily := a.Is4() == b.Is4() || l.dual || other.dual
	return a == b || sameFamily && (a.IsUnspecified() || b.IsUnspecified())
}

// listenPortLocked picks a port for a listener that has none.
func (h *Host) listenPortLocked() uint16 {
	for {
		h.lastBound = nextPort(h.lastBound)
		if !h.listensLocked(h.lastBound) {
			return h.lastBound
		}
	}
}

// listensLocked reports whether any listener has the port.
func (h *Host) listensLocked(port uint16) bool {
	for addr := range h.listeners {
		if addr.Port() == port {
			return true
		}
	}
	return false
}

// listenerLocked returns the listener that a connection to the address is for.
func (h *Host) listenerLocked(to netip.AddrPort) *listener {
	if l := h.listeners[to]; l != nil {
		return l
	}
	v6 := h.listeners[netip.AddrPortFrom(netip.IPv6Unspecified(), to.Port())]
	if to.Addr().Is6() || v6 != nil && v6.dual {
		return v6
	}
	return h.listeners[netip.AddrPortFrom(netip.IPv4Unspecified(), to.Port())]
}

func (l *listener) isFullLocked() bool { return len(l.ready) >= backlog }

// offerLocked queues a connection that was confirmed.
func (l *listener) offerLocked(c *conn) {
	if l.closed {
		c.resetLocked()
		return
	}
	l.ready = append(l.ready, c)
	l.arrived.Signal()
}

// Accept waits for the next connection.
func (l *listener) Accept() (net.Conn, error) {
	l.host.sim.mu.Lock()
	defer l.host.sim.mu.Unlock()
	for !l.closed && len(l.ready) == 0 {
		l.arrived.Wait()
	}
	if l.closed {
		return nil, l.opError("accept")
	}
	c := l.ready[0]
	l.ready = l.ready[1:]
	return c, nil
}

// Close stops listening and resets the connections that were not accepted.
func (l *listener) Close() error {
	l.host.sim.mu.Lock()
	defer l.host.sim.mu.Unlock()
	if l.closed {
		return l.opError("close")
	}
	for _, c := range l.ready {
		c.resetLocked()
	}
	l.vanishLocked()
	return nil
}

// vanishLocked closes the listener without a word to anyone.
func (l *listener) vanishLocked() {
	l.closed, l.ready = true, nil
	delete(l.host.listeners, l.addr)
	l.arrived.Broadcast()
}

// Addr returns the address and port that the listener has.
func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }

func (l *listener) opError(op string) error {
	return &net.OpError{Op: op, Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
}

package simtest

import (
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// readBuffer is the default receive buffer in bytes: Linux's net.core.rmem_default. A
// datagram counts as at least one byte, and one datagram may always wait.
const readBuffer = 212992

// The sizes of the largest datagrams: 65,535 bytes minus the headers.
const (
	maxPacket4 = 65535 - 20 - 8
	maxPacket6 = 65535 - 8
)

// A packetConn is a socket for datagrams: a net.PacketConn, and a net.Conn as
// well if it was dialled.
type packetConn struct {
	sim     *Sim
	host    *Host
	network string
	family  family
	number  uint64 // by order of creation on the host
	local   netip.AddrPort
	dual    bool           // dual stack: the unspecified address of IPv6 also covers IPv4
	remote  netip.AddrPort // of a connected socket

	// Guarded by sim.mu.
	reads         waits[datagram] // calls that read
	readDeadline  deadline
	writeDeadline deadline
	posted        uint64 // counts actions
	crossed       uint64 // counts datagrams that crossed several hops
	inbox         fifo[datagram]
	size          int // of the inbox, in bytes
	buffer        int // the limit of size
	closed        bool
	err           syscall.Errno // the network's error about a datagram that was sent, reported once
	paths         map[*Host]*packetPath
}

// A datagram has arrived, or is the network's error about one that was sent.
type datagram struct {
	errno syscall.Errno // the error, or 0
	data  []byte
	from  netip.AddrPort
}

// ListenPacket opens a socket for datagrams on one of the host's ports. The
// network is "udp", "udp4" or "udp6"; the address is as for Listen. The errors
// are net.ListenPacket's.
func (h *Host) ListenPacket(network, address string) (net.PacketConn, error) {
	f, local, err := h.parseLocal(network, address, true)
	if err != nil {
		return nil, err
	}
	h.sim.mu.Lock()
	defer h.sim.mu.Unlock()
	c, err := h.openPacketsLocked(network, f, local)
	if err != nil {
		return nil, listenError(network, f.shown(local), err)
	}
	return c, nil
}

// dialPackets opens a connected socket. Like a TCP dial, it is an action that is
// ordered with the others of this instant, so that the socket's number and port do not
// depend on the scheduler.
func (h *Host) dialPackets(network, address string, f family, remote netip.AddrPort) (c *packetConn, err error) {
	h.sim.mu.Lock()
	if h.sim.closed {
		h.sim.mu.Unlock()
		return nil, net.ErrClosed
	}
	done := make(chan struct{})
	what := network + " " + address
	h.dials++
	h.sim.postLocked(action{
		key: key{host: h.number, conn: dials, address: &what, sequence: h.dials},
		do: func() {
			c, err = h.openPacketsLocked(network, f, netip.AddrPortFrom(h.sourceLocked(remote.Addr()), 0))
			if err == nil {
				c.remote = remote
			}
			close(done)
		},
	})
	h.sim.mu.Unlock()
	<-done
	return c, err
}

func (h *Host) openPacketsLocked(network string, f family, local netip.AddrPort) (*packetConn, error) {
	if err := h.bindErrorLocked(local); err != nil {
		return nil, err
	}
	c := &packetConn{
		sim: h.sim, host: h, network: network, family: f,
		buffer: readBuffer,
		paths:  make(map[*Host]*packetPath),
	}
	c.local, c.dual = f.bind(local)
	if local.Port() == 0 {
		port, ok := h.ports.nextSocket()
		if !ok {
			return nil, syscallError("bind", syscall.EADDRINUSE)
		}
		c.local = netip.AddrPortFrom(c.local.Addr(), port)
	}
	if h.sockets[c.local] != nil || h.ports.sockets.overlaps(c.local, c.dual) {
		return nil, syscallError("bind", syscall.EADDRINUSE)
	}
	h.ports.sockets.add(c.local, c.dual, 1)
	h.bound++
	c.number = h.bound
	h.sockets[c.local] = c
	return c, nil
}

// socketLocked returns the socket for a datagram.
func (h *Host) socketLocked(to, from netip.AddrPort) *packetConn {
	c := h.sockets[to]
	if c == nil {
		c = h.sockets[netip.AddrPortFrom(netip.IPv6Unspecified(), to.Port())]
		if to.Addr().Is4() && (c == nil || !c.dual) {
			c = h.sockets[netip.AddrPortFrom(netip.IPv4Unspecified(), to.Port())]
		}
	}
	if c == nil || c.closed || c.remote.IsValid() && c.remote != from {
		return nil
	}
	return c
}

// id returns the name of the socket in a trace.
func (c *packetConn) id() trace.Conn {
	return trace.Conn{Host: c.host.name, Network: "udp", Number: c.number}
}

// Close closes the socket. Datagrams that were sent still arrive.
func (c *packetConn) Close() error {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	if c.host.closesLocked(c, c.closed) {
		return c.opError("close", nil, net.ErrClosed)
	}
	c.vanishLocked()
	return nil
}

func (c *packetConn) vanishLocked() {
	c.closed, c.size = true, 0
	c.inbox.drop()
	if c.host.sockets[c.local] == c {
		delete(c.host.sockets, c.local)
		c.host.ports.sockets.add(c.local, c.dual, -1)
	}
	c.readDeadline.stopLocked()
	c.writeDeadline.stopLocked()
	c.wakeLocked()
}

func (c *packetConn) isWaitedForLocked() bool { return c.reads.first != nil }

func (c *packetConn) wakeLocked() { c.goOnReadingLocked() }

// receive reads the next datagram by a system call. Bytes that do not fit into p are
// lost, and flags say so.
func (c *packetConn) receive(call string, p []byte) (n, flags int, from netip.AddrPort, err error) {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	var next datagram
	err, over := c.takeLocked(&next)
	if !over {
		next, err = c.reads.waitLocked(&c.sim.datagrams, &c.sim.mu, next)
	}
	switch {
	case err != nil:
		return 0, 0, from, c.opError("read", nil, err)
	case next.errno != 0:
		return 0, 0, from, c.opError("read", nil, syscallError(call, next.errno))
	}
	if c.dual {
		next.from = mapped(next.from)
	}
	if len(next.data) > len(p) {
		flags = truncated
	}
	return copy(p, next.data), flags, next.from, nil
}

// goOnReadingLocked passes datagrams to waiting calls.
func (c *packetConn) goOnReadingLocked() { c.reads.serveLocked(&c.readDeadline, c.takeLocked) }

// takeLocked removes the next datagram or error. It returns false if there is none.
func (c *packetConn) takeLocked(next *datagram) (err error, over bool) {
	switch {
	case c.closed:
		return net.ErrClosed, true
	case c.readDeadline.hasPassedLocked():
		return os.ErrDeadlineExceeded, true
	case c.err != 0:
		next.errno, c.err = c.err, 0
		return nil, true
	case c.inbox.len() > 0:
		*next = c.inbox.pop()
		c.size -= max(1, len(next.data))
		return nil, true
	}
	return nil, false
}

// ReadFromUDPAddrPort reads the next datagram. Bytes that do not fit into p are lost.
func (c *packetConn) ReadFromUDPAddrPort(p []byte) (n int, from netip.AddrPort, err error) {
	n, _, from, err = c.receive("recvfrom", p)
	return n, from, err
}

// ReadFrom reads the next datagram; the address is a *net.UDPAddr. Bytes that do not
// fit into p are lost.
func (c *packetConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, _, from, err := c.receive("recvfrom", p)
	return n, c.family.addr(from), err
}

// Read reads the next datagram. If p is empty, the datagram is left for the next call.
func (c *packetConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		c.sim.mu.Lock()
		defer c.sim.mu.Unlock()
		if c.closed {
			return 0, c.opError("read", nil, net.ErrClosed)
		}
		return 0, nil
	}
	n, _, _, err := c.receive("read", p)
	return n, err
}

// errorLocked returns the network's error as the error of a system call, and clears
// it.
func (c *packetConn) errorLocked(call string) error {
	errno := c.err
	c.err = 0
	return syscallError(call, errno)
}

// WriteTo sends a datagram; the address must be a *net.UDPAddr.
func (c *packetConn) WriteTo(p []byte, addr net.Addr) (int, error) {
	to, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, c.opError("write", addr, syscall.EINVAL)
	}
	return c.WriteToUDP(p, to)
}

// WriteToUDPAddrPort sends a datagram.
func (c *packetConn) WriteToUDPAddrPort(p []byte, to netip.AddrPort) (int, error) {
	if c.remote.IsValid() {
		return 0, c.opError("write", c.family.addr(to), net.ErrWriteToConnected)
	}
	return c.send("sendto", p, netip.AddrPortFrom(to.Addr().Unmap(), to.Port()))
}

// Write sends a datagram to the address to which the socket is connected.
func (c *packetConn) Write(p []byte) (int, error) {
	return c.send("write", p, c.remote)
}

// LocalAddr returns the address of the socket, a *net.UDPAddr.
func (c *packetConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.local) }

// RemoteAddr returns the address to which the socket is connected, a *net.UDPAddr, or
// nil if it is not connected.
func (c *packetConn) RemoteAddr() net.Addr { return c.family.addr(c.remote) }

// SetDeadline sets both deadlines.
func (c *packetConn) SetDeadline(t time.Time) error {
	return c.setDeadlines(t, true, true)
}

// SetReadDeadline sets the deadline of reads. The zero time is none.
func (c *packetConn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, true, false) }

// SetWriteDeadline sets the deadline of writes, which never wait. The zero time is
// none.
func (c *packetConn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, false, true) }

func (c *packetConn) setDeadlines(t time.Time, read, write bool) error {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	if c.host.closesLocked(c, c.closed) {
		return setError(c.network, c.LocalAddr())
	}
	if read {
		c.readDeadline.setLocked(&c.sim.mu, &c.reads, t)
	}
	if write {
		c.writeDeadline.setLocked(&c.sim.mu, nil, t)
	}
	return nil
}

// opError wraps an error in a net.OpError, as the net package does.
func (c *packetConn) opError(op string, to net.Addr, err error) error {
	source := c.LocalAddr()
	if to == nil && op != "listen" {
		to = c.RemoteAddr()
	}
	return &net.OpError{Op: op, Net: c.network, Source: source, Addr: to, Err: err}
}

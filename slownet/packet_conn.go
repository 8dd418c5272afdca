package slownet

import (
	"cmp"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// A PacketConn is a net.PacketConn whose datagrams travel over slow links: what
// is sent, before the inner connection sees it, and what is received, after it
// has come out of there. It is a net.Conn too, for a socket that is connected.
// It is safe for concurrent use.
//
// It treats datagrams as a network does: they are late, they overtake each
// other, and they are dropped, without a word to the sender. See [netem.Link], and
// [Config.Trace] to see what became of each. A datagram is as large as its payload,
// without the headers of IP and UDP: to the rate, the queue and the MTU.
//
// A datagram that is received begins its way when it is taken from the inner
// connection. While others are on their way, that is as soon as it comes in;
// else it is when somebody calls ReadFrom or Read. What has arrived and is not
// read does not pile up: beyond 256 KiB, datagrams stay in the inner
// connection, and a socket drops those for which its own buffer has no room. At
// most 16 MiB are on their way at a time, in each direction: more that are sent
// are dropped as by a full queue, and more that come in stay where they are.
type PacketConn struct {
	endpoint
	inner   net.PacketConn
	in      packetReceiver
	out     packetSender
	owners  owners // none for a PacketConn of NewPacketConn
	pending atomic.Pointer[pendingError]
	closed  atomic.Bool

	innerClosed atomic.Bool
}

// NewPacketConn wraps a connection that carries datagrams, as UDP does. If it
// is connected, as by net.Dial, the result can be used as a net.Conn. It panics
// on an invalid link, see [netem.Link.Validate], and if inner is nil.
func NewPacketConn(inner net.PacketConn, config Config) *PacketConn {
	config.mustBeValid("NewPacketConn")
	mustBeThere("NewPacketConn", inner)
	config = config.withClock()
	return newPacketConn(inner, &config, config.Seed, nil)
}

// newPacketConn wraps a connection, whose links are those of the path if it is
// not nil.
func newPacketConn(inner net.PacketConn, config *Config, seed uint64, path *Path) *PacketConn {
	c := &PacketConn{endpoint: newEndpoint(inner, config, path), inner: inner}
	links := config.links()
	c.in.init(c, Read, links[Read], deriveSeed(seed, uint64(Read)), path)
	c.out.init(c, Write, links[Write], deriveSeed(seed, uint64(Write)), path)
	c.out.linger = linger{of: &c.out.half, drainer: &c.out, seconds: -1}
	return c
}

// ReadFrom returns the next datagram that arrives, and who sent it. What does
// not fit into p is lost.
func (c *PacketConn) ReadFrom(p []byte) (int, net.Addr, error) {
	if h := &c.in.half; h.enter() {
		n, peer, err := c.inner.ReadFrom(p)
		if err, out := h.exit(err); !out {
			return n, peer, c.opError("read", nil, err)
		}
	}
	m := [1]message{{data: p}}
	_, err := c.in.read(m[:])
	return m[0].n, m[0].peer, c.opError("read", nil, err)
}

// Read is ReadFrom without the sender. On a socket that is a net.Conn, it reads
// nothing into no room, as all of them.
func (c *PacketConn) Read(p []byte) (int, error) {
	inner, ok := c.inner.(net.Conn)
	if !ok {
		n, _, err := c.ReadFrom(p)
		return n, err
	}
	if h := &c.in.half; h.enter() {
		n, err := inner.Read(p)
		if err, out := h.exit(err); !out {
			return n, c.opError("read", nil, err)
		}
	}
	if len(p) == 0 {
		return 0, c.opError("read", nil, c.in.check())
	}
	m := [1]message{{data: p}}
	_, err := c.in.read(m[:])
	return m[0].n, c.opError("read", nil, err)
}

// WriteTo puts a datagram on its way to the given address. It does not wait for
// the link, and reports success for a datagram that the link drops. It reports
// what a UDP socket would refuse at once: a wrong address, or a datagram that
// is larger than any. An error that the inner connection reports when it gets
// the datagram is returned by the next WriteTo, once. (On a connected socket by
// the next call of any kind, as it may be about the peer.)
func (c *PacketConn) WriteTo(p []byte, peer net.Addr) (int, error) {
	if h := &c.out.half; h.enter() {
		n, err := c.inner.WriteTo(p, peer)
		if err, out := h.exit(err); !out {
			return n, c.opError("write", peer, err)
		}
	}
	if err := c.refusal("sendto", len(p), peer); err != nil {
		return 0, err
	}
	return c.wrote(len(p), peer, c.out.write(datagram{data: p, peer: peer}))
}

// Write puts a datagram on its way to the peer of a connected socket; see
// WriteTo. On one that is not connected it fails with EDESTADDRREQ.
func (c *PacketConn) Write(p []byte) (int, error) {
	inner, ok := c.inner.(net.Conn)
	if !ok {
		return 0, c.opError("write", nil, errno("write", syscall.EDESTADDRREQ))
	}
	if h := &c.out.half; h.enter() {
		n, err := inner.Write(p)
		if err, out := h.exit(err); !out {
			return n, c.opError("write", nil, err)
		}
	}
	if err := c.refusalByPeer("write", len(p)); err != nil {
		return 0, err
	}
	return c.wrote(len(p), nil, c.out.write(datagram{data: p}))
}

// wrote is what a write of n bytes returns.
func (c *PacketConn) wrote(n int, peer net.Addr, err error) (int, error) {
	if err != nil {
		return 0, c.opError("write", peer, err)
	}
	return n, nil
}

// A pendingError is one that a datagram met when its sender had been told that
// it was sent.
type pendingError struct {
	err       error
	connected bool // so that it is for readers too
}

// setPending leaves an error for the next call.
func (c *PacketConn) setPending(err error, connected bool) {
	c.pending.Store(&pendingError{err, connected})
	if connected {
		c.in.mu.Lock()
		defer c.in.mu.Unlock()
		c.in.interruptLocked()
	}
}

// hasPending reports whether an error has been left that is for the direction.
func (c *PacketConn) hasPending(direction Direction) bool {
	pending := c.pending.Load()
	return pending != nil && (direction == Write || pending.connected)
}

// takePending returns such an error, once.
func (c *PacketConn) takePending(direction Direction) error {
	pending := c.pending.Load()
	if pending == nil || direction == Read && !pending.connected || !c.pending.CompareAndSwap(pending, nil) {
		return nil
	}
	return pending.err
}

// Close closes the connection and returns at once, as close(2) does; a second
// time it returns an error that matches net.ErrClosed. Blocked calls return with
// such an error. The datagrams that WriteTo and Write accepted still pass the
// link; only then is the inner connection closed and its port free. Between two
// of them there is no goroutine, only a timer of the connection's clock. Use
// [PacketConn.Drain] to wait for that, and [PacketConn.SetLinger] to make Close
// wait.
//
// If the inner connection takes none of them for five seconds after the close,
// or the connection is stalled for that long, the rest is discarded. The time
// for which the link itself keeps datagrams does not count. Datagrams on their
// way to the reader are discarded at once.
func (c *PacketConn) Close() error {
	if c.closed.Swap(true) {
		return c.opError("close", nil, net.ErrClosed)
	}
	c.in.close()
	err := c.out.close()
	c.in.evict()
	c.out.await()
	return err
}

// SetLinger says what becomes of datagrams that are still on their way when Close
// is called: below zero, the default, they pass in the background; zero
// discards them, even after Close; above zero, Close waits until they have
// passed, for at most that many seconds of the connection's clock.
func (c *PacketConn) SetLinger(seconds int) error {
	c.out.set(seconds)
	return nil
}

// SetDeadline sets both deadlines, on the connection's clock.
func (c *PacketConn) SetDeadline(t time.Time) error {
	err := c.SetReadDeadline(t)
	return cmp.Or(c.SetWriteDeadline(t), err)
}

// SetReadDeadline sets when ReadFrom and Read give up with
// os.ErrDeadlineExceeded, on the connection's clock. The zero time is never.
func (c *PacketConn) SetReadDeadline(t time.Time) error {
	return c.opError("set", nil, c.in.setDeadline(t))
}

// SetWriteDeadline sets from when on WriteTo and Write fail with
// os.ErrDeadlineExceeded, on the connection's clock. The zero time is never.
func (c *PacketConn) SetWriteDeadline(t time.Time) error {
	return c.opError("set", nil, c.out.setDeadline(t))
}

// LocalAddr returns the inner connection's local address.
func (c *PacketConn) LocalAddr() net.Addr { return c.inner.LocalAddr() }

// RemoteAddr returns the address that the inner connection is connected to; nil
// if there is none.
func (c *PacketConn) RemoteAddr() net.Addr {
	if inner, ok := c.inner.(net.Conn); ok {
		return inner.RemoteAddr()
	}
	return nil
}

// NetPacketConn returns the inner connection. Reading and writing it passes the
// links by.
func (c *PacketConn) NetPacketConn() net.PacketConn { return c.inner }

// SyscallConn returns the inner connection's file descriptor, for socket
// options and the like: reading and writing it passes the links by. It returns
// an error that matches errors.ErrUnsupported where there is none. A library
// that treats that error as fatal, as quic-go does, must not see the method:
// wrap the connection in a struct{ net.PacketConn }.
func (c *PacketConn) SyscallConn() (syscall.RawConn, error) {
	inner, ok := c.inner.(syscall.Conn)
	if !ok {
		return nil, c.opError("raw", nil, errors.ErrUnsupported)
	}
	return inner.SyscallConn()
}

// SetReadBuffer sets the size in bytes of the operating system's buffer for
// what is received. It returns an error that matches errors.ErrUnsupported
// where the inner connection has none.
func (c *PacketConn) SetReadBuffer(bytes int) error {
	inner, ok := c.inner.(interface{ SetReadBuffer(int) error })
	if !ok {
		return c.opError("set", nil, errors.ErrUnsupported)
	}
	return inner.SetReadBuffer(bytes)
}

// SetWriteBuffer sets the size in bytes of the operating system's buffer for
// what is sent. It returns an error that matches errors.ErrUnsupported where
// the inner connection has none.
func (c *PacketConn) SetWriteBuffer(bytes int) error {
	inner, ok := c.inner.(interface{ SetWriteBuffer(int) error })
	if !ok {
		return c.opError("set", nil, errors.ErrUnsupported)
	}
	return inner.SetWriteBuffer(bytes)
}

// opError wraps an error as the net package does. Without an address, it is
// about the peer of a connected socket.
func (c *PacketConn) opError(op string, peer net.Addr, err error) error {
	if err == nil {
		return nil
	}
	if peer == nil {
		peer = c.RemoteAddr()
	}
	return opError(c.inner, op, peer, err)
}

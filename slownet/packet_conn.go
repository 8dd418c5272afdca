package slownet

import (
	"cmp"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// A PacketConn is a net.PacketConn whose datagrams travel over slow links. Sent
// datagrams cross a link before they reach the inner connection; received ones
// cross a link after they were read from it. If the socket is connected, a
// PacketConn is a net.Conn, too. It is safe for concurrent use.
//
// It treats datagrams as a network does: they are delayed, reordered and dropped,
// and the sender is not told. See [netem.Link]; [Config.Trace] reports the fate of
// each datagram. The size of a datagram, for the rate, the queue and the MTU, is
// its payload without the headers of IP and UDP.
//
// A received datagram enters the link when it is read from the inner connection:
// while others are in flight, as soon as it comes in; otherwise, when ReadFrom or
// Read is called. At most 256 KiB of arrived datagrams wait for a reader: further
// datagrams stay in the inner connection, and a socket drops datagrams that its own
// buffer has no room for. At most 16 MiB are in flight in each direction: beyond
// that, sent datagrams are dropped, as if a queue were full, and received datagrams
// stay in the inner connection.
type PacketConn struct {
	endpoint
	inner   net.PacketConn
	in      packetReceiver
	out     packetSender
	owners  owners // none for a connection made by NewPacketConn
	pending atomic.Pointer[pendingError]
	closed  atomic.Bool

	innerClosed atomic.Bool
}

// NewPacketConn wraps a connection that carries datagrams, as UDP does. If inner is
// connected to a peer, like a connection from net.Dial, the result can also be used
// as a net.Conn. NewPacketConn panics on an invalid link, see
// [netem.Link.Validate], and if inner is nil.
func NewPacketConn(inner net.PacketConn, config Config) *PacketConn {
	config.mustBeValid("NewPacketConn")
	mustBeThere("NewPacketConn", inner)
	config = config.withClock()
	return newPacketConn(inner, &config, config.Seed, nil)
}

// newPacketConn wraps a connection, which uses the links of the path if that is
// not nil.
func newPacketConn(inner net.PacketConn, config *Config, seed uint64, path *Path) *PacketConn {
	c := &PacketConn{endpoint: newEndpoint(inner, config, path), inner: inner}
	links := config.links()
	c.in.init(c, Read, links[Read], deriveSeed(seed, uint64(Read)), path)
	c.out.init(c, Write, links[Write], deriveSeed(seed, uint64(Write)), path)
	c.out.linger = linger{of: &c.out.half, drainer: &c.out, seconds: -1}
	return c
}

// ReadFrom returns the next datagram that arrives, and its sender. The part
// that does not fit into p is lost.
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

// Read is ReadFrom without the sender. On a socket that is a net.Conn, a Read
// into an empty buffer returns at once, as with every net.Conn.
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

// WriteTo sends a datagram to the given address. It does not wait for the link,
// and reports success for a datagram that the link drops. It returns the errors
// that a UDP socket returns at once: for a wrong address, or for a datagram
// above the maximum size. If the inner connection fails when it gets the
// datagram, the next WriteTo returns the error, once. (On a connected socket
// the next call of any kind returns it, as the error may be about the peer.)
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

// Write sends a datagram to the peer of a connected socket; see WriteTo. On a
// socket that is not connected it fails with EDESTADDRREQ.
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

// wrote returns the results of a write of n bytes.
func (c *PacketConn) wrote(n int, peer net.Addr, err error) (int, error) {
	if err != nil {
		return 0, c.opError("write", peer, err)
	}
	return n, nil
}

// A pendingError is the error of a datagram whose Write had already returned.
type pendingError struct {
	err       error
	connected bool // readers get it, too
}

// setPending stores an error for the next call.
func (c *PacketConn) setPending(err error, connected bool) {
	c.pending.Store(&pendingError{err, connected})
	if connected {
		c.in.mu.Lock()
		defer c.in.mu.Unlock()
		c.in.interruptLocked()
	}
}

// hasPending reports whether an error is pending for the direction.
func (c *PacketConn) hasPending(direction Direction) bool {
	pending := c.pending.Load()
	return pending != nil && (direction == Write || pending.connected)
}

// takePending removes the error that is pending for the direction, and returns it.
func (c *PacketConn) takePending(direction Direction) error {
	pending := c.pending.Load()
	if pending == nil || direction == Read && !pending.connected || !c.pending.CompareAndSwap(pending, nil) {
		return nil
	}
	return pending.err
}

// Close closes the connection and returns at once, as close(2) does. A second
// Close and all blocked calls return an error that matches net.ErrClosed. Datagrams accepted by WriteTo and Write still cross the link;
// then the inner connection is closed, which frees its port. Between two
// datagrams no goroutine runs, only a timer of the connection's clock. Use
// [PacketConn.Drain] to wait for the end, and [PacketConn.SetLinger] to make
// Close wait.
//
// If the inner connection takes no datagram for five seconds after the close,
// or the connection is stalled for that long, the rest is discarded. Time that
// datagrams spend on the link does not count. Datagrams in flight to the reader
// are discarded at once.
func (c *PacketConn) Close() error {
	if c.closed.Swap(true) {
		return c.opError("close", nil, net.ErrClosed)
	}
	c.in.close()
	err := c.out.close()
	c.in.failBlocked()
	c.out.await()
	return err
}

// SetLinger sets what happens to datagrams that are still in flight when Close is
// called. Below zero, the default, they are delivered in the background. Zero
// discards them, even after Close. Above zero, Close waits until they are
// delivered, for at most that many seconds of the connection's clock.
func (c *PacketConn) SetLinger(seconds int) error {
	c.out.set(seconds)
	return nil
}

// SetDeadline sets both deadlines, on the connection's clock.
func (c *PacketConn) SetDeadline(t time.Time) error {
	err := c.SetReadDeadline(t)
	return cmp.Or(c.SetWriteDeadline(t), err)
}

// SetReadDeadline sets the time after which ReadFrom and Read fail with
// os.ErrDeadlineExceeded, on the connection's clock. The zero time means no
// deadline.
func (c *PacketConn) SetReadDeadline(t time.Time) error {
	return c.opError("set", nil, c.in.setDeadline(t))
}

// SetWriteDeadline sets the time after which WriteTo and Write fail with
// os.ErrDeadlineExceeded, on the connection's clock. The zero time means no
// deadline.
func (c *PacketConn) SetWriteDeadline(t time.Time) error {
	return c.opError("set", nil, c.out.setDeadline(t))
}

// LocalAddr returns the inner connection's local address.
func (c *PacketConn) LocalAddr() net.Addr { return c.inner.LocalAddr() }

// RemoteAddr returns the address that the inner connection is connected to, or
// nil.
func (c *PacketConn) RemoteAddr() net.Addr {
	if inner, ok := c.inner.(net.Conn); ok {
		return inner.RemoteAddr()
	}
	return nil
}

// NetPacketConn returns the inner connection. Reads and writes on it bypass the
// links.
func (c *PacketConn) NetPacketConn() net.PacketConn { return c.inner }

// SyscallConn returns access to the inner connection's file descriptor, for
// socket options and the like. Reads and writes on it bypass the links. It
// returns an error that matches errors.ErrUnsupported if the inner connection
// has no descriptor. A library that treats that error as fatal, as quic-go
// does, must not see the method: wrap the connection in a struct{
// net.PacketConn }.
func (c *PacketConn) SyscallConn() (syscall.RawConn, error) {
	inner, ok := c.inner.(syscall.Conn)
	if !ok {
		return nil, c.opError("raw", nil, errors.ErrUnsupported)
	}
	return inner.SyscallConn()
}

// SetReadBuffer sets the size in bytes of the operating system's receive
// buffer. It returns an error that matches errors.ErrUnsupported if the inner
// connection has none.
func (c *PacketConn) SetReadBuffer(bytes int) error {
	inner, ok := c.inner.(interface{ SetReadBuffer(int) error })
	if !ok {
		return c.opError("set", nil, errors.ErrUnsupported)
	}
	return inner.SetReadBuffer(bytes)
}

// SetWriteBuffer sets the size in bytes of the operating system's send buffer.
// It returns an error that matches errors.ErrUnsupported if the inner
// connection has none.
func (c *PacketConn) SetWriteBuffer(bytes int) error {
	inner, ok := c.inner.(interface{ SetWriteBuffer(int) error })
	if !ok {
		return c.opError("set", nil, errors.ErrUnsupported)
	}
	return inner.SetWriteBuffer(bytes)
}

// opError wraps an error as the net package does. If peer is nil, the error has
// the address of a connected socket's peer.
func (c *PacketConn) opError(op string, peer net.Addr, err error) error {
	if err == nil {
		return nil
	}
	if peer == nil {
		peer = c.RemoteAddr()
	}
	return opError(c.inner, op, peer, err)
}

package slownet

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A Conn is a net.Conn whose bytes travel over slow links: what is written,
// before the inner connection sees it, and what is read, after it has come out
// of there. It is safe for concurrent use, as every net.Conn.
type Conn struct {
	endpoint
	inner       net.Conn
	owners      owners        // none for a Conn of NewConn
	tcp         *netem.TCP    // nil if streams are ideal
	roundTrip   time.Duration // of the handshake; 0 if it was not measured
	in          receiver
	out         sender
	closed      atomic.Bool // by Close
	innerClosed atomic.Bool
}

// NewConn wraps a connection that carries a stream, as TCP does. With TLS, wrap
// what is below it: a fault interrupts writes of the inner connection, after
// which a tls.Conn is of no use. NewConn panics on an invalid configuration, see
// [netem.Link.Validate] and [netem.TCP.Validate], on a connection that carries
// datagrams, those are for [NewPacketConn], and if inner is nil.
func NewConn(inner net.Conn, config Config) *Conn {
	config.mustBeValid("NewConn")
	mustCarryStream("NewConn", inner)
	config = config.withClock()
	return newConn(inner, &config, config.Seed, nil)
}

// mustCarryStream panics on a connection that carries datagrams, and without one.
func mustCarryStream(call string, inner net.Conn) {
	mustBeThere(call, inner)
	if carriesDatagrams(inner) {
		packet := strings.Replace(call, "Conn", "PacketConn", 1)
		panic(fmt.Sprintf("slownet: %s: a %s connection carries datagrams: wrap it with %s", call, inner.LocalAddr().Network(), packet))
	}
}

// newConn wraps a connection, whose links are those of the path if it is not nil.
func newConn(inner net.Conn, config *Config, seed uint64, path *Path) *Conn {
	c := &Conn{endpoint: newEndpoint(inner, config, path), inner: inner, tcp: config.tcp()}
	links := config.links()
	c.in.init(c, Read, links[Read], deriveSeed(seed, uint64(Read)), path)
	c.out.init(c, Write, links[Write], deriveSeed(seed, uint64(Write)), path)
	c.in.setBack(c.out.lane)
	c.out.setBack(c.in.lane)
	c.in.flow.SetReturn(config.Write.Latency)
	c.out.flow.SetReturn(config.Read.Latency)
	c.out.linger = linger{of: &c.out.half, drainer: &c.out, seconds: -1}
	return c
}

// carriesDatagrams reports whether a connection keeps the bounds of writes.
func carriesDatagrams(inner net.Conn) bool {
	if _, ok := inner.(net.PacketConn); !ok {
		return false
	}
	network := inner.LocalAddr().Network()
	return strings.HasPrefix(network, "udp") || strings.HasPrefix(network, "ip") || network == "unixgram"
}

// Read reads what has arrived, and waits if nothing has. A reset by the peer
// arrives over the link, too: as on a socket, the first Read or Write to meet
// it fails with ECONNRESET; after that, Read returns io.EOF, and Write fails
// with EPIPE.
func (c *Conn) Read(p []byte) (int, error) {
	if h := &c.in.half; h.enter() {
		n, err := c.inner.Read(p)
		if err, out := h.exit(err); !out || n > 0 {
			return n, c.opError("read", c.readError(err))
		}
	}
	n, err := c.in.read(p)
	if c.in.isSpent() {
		c.hangUp(&c.in.streamHalf)
	}
	if err == io.EOF && c.in.reset.tell() { // the carrier has met a reset
		err = errno("read", syscall.ECONNRESET)
	}
	return n, c.opError("read", err)
}

// Write puts p on its way. It returns when the last of its bytes has entered
// the link or its queue, which with [netem.Link.Rate] or [netem.Link.Pace] can take a
// while; it does not wait until they have arrived. Over TCP, see [Config.TCP], it
// returns when the last has entered the send buffer. An error that met bytes on
// their way is returned by the next Write.
func (c *Conn) Write(p []byte) (n int, err error) {
	if h := &c.out.half; h.enterAlone() {
		n, err = c.inner.Write(p)
		var out bool
		if err, out = h.exitWrite(n, err); !out {
			return n, c.opError("write", err)
		}
	}
	m, err := c.out.write(p[n:], n > 0)
	if c.out.isSpent() {
		c.hangUp(&c.out.streamHalf)
	}
	if errors.Is(err, syscall.EPIPE) && c.in.reset.tell() {
		err = errno("write", syscall.ECONNRESET)
	}
	return n + m, c.opError("write", err)
}

// CloseWrite ends the stream in this direction, after what was written: the end
// arrives after that, as late as the link has it. CloseWrite does not wait for
// that; see [Conn.Drain]. Writes fail from now on, blocked ones included. It
// returns an error that matches errors.ErrUnsupported where the inner
// connection cannot do that.
func (c *Conn) CloseWrite() error {
	if _, ok := c.inner.(halfCloser); !ok {
		return c.opError("close", errors.ErrUnsupported)
	}
	return c.opError("close", c.out.finish())
}

type halfCloser interface{ CloseWrite() error }

// CloseRead ends the stream in the direction that is read, when what is under
// way has been read. It returns an error that matches errors.ErrUnsupported
// where the inner connection cannot do that.
func (c *Conn) CloseRead() error {
	inner, ok := c.inner.(interface{ CloseRead() error })
	if !ok {
		return c.opError("close", errors.ErrUnsupported)
	}
	if c.closed.Load() {
		return c.opError("close", net.ErrClosed)
	}
	return c.opError("close", inner.CloseRead())
}

// Close closes the connection and returns at once, as close(2) does; a second
// time it returns an error that matches net.ErrClosed. Blocked reads and writes
// return with such an error. What Write accepted still arrives at the inner
// connection, as late as the links have it, and then the end of the stream:
// only then is the inner connection closed. Between two deliveries there is no
// goroutine, only a timer of the connection's clock. Use [Conn.Drain] to wait
// for that, and [Conn.SetLinger] to make Close wait.
//
// If nothing moves for five seconds after the close, because the inner
// connection takes less than 64 KiB in that time or because of a stall, the
// rest is discarded and the inner connection is reset if possible. The time for
// which the link itself keeps bytes does not count.
//
// Bytes on their way to the reader are discarded. If bytes were not read, the
// peer sees a reset after the last byte, as with any socket.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return c.opError("close", net.ErrClosed)
	}
	err := c.out.close(c.in.close())
	c.in.evict()
	c.out.linger.await()
	return err
}

// closeInner closes the inner connection, once; with reset as a reset, where it
// can be.
func (c *Conn) closeInner(reset bool) error {
	if c.innerClosed.Load() {
		return nil
	}
	if inner, ok := c.inner.(lingerer); ok && reset {
		_ = inner.SetLinger(0)
	}
	if c.innerClosed.Swap(true) {
		return nil
	}
	if reset {
		c.traceReset(Write, syscall.ECONNRESET)
	} else {
		c.out.traceEnd()
	}
	return c.inner.Close()
}

type lingerer interface{ SetLinger(int) error }

// endInner closes the inner connection so that the peer sees the end of the
// stream. With bytes unread, TCP would send a reset instead.
func (c *Conn) endInner() {
	if inner, ok := c.inner.(halfCloser); ok && inner.CloseWrite() == nil {
		c.in.discard()
	}
	_ = c.closeInner(false)
}

// SetLinger says what becomes of bytes that are still on their way when Close is
// called, as SO_LINGER does. Below zero, the default, they arrive in the
// background. Zero discards them and resets the connection, even after Close.
// Above zero, Close waits until they have arrived, for at most that many
// seconds of the connection's clock; the rest then drains in the background.
// SetLinger is also called on the inner connection if it has the method, as TCP
// has.
func (c *Conn) SetLinger(seconds int) (err error) {
	if inner, ok := c.inner.(lingerer); ok {
		err = inner.SetLinger(seconds)
	}
	c.out.linger.set(seconds)
	return err
}

// SetDeadline sets both deadlines, on the connection's clock.
func (c *Conn) SetDeadline(t time.Time) error {
	err := c.SetReadDeadline(t)
	return cmp.Or(c.SetWriteDeadline(t), err)
}

// SetReadDeadline sets when Read gives up with os.ErrDeadlineExceeded, on the
// connection's clock. The zero time is never.
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.opError("set", c.in.setDeadline(t))
}

// SetWriteDeadline sets when Write gives up with os.ErrDeadlineExceeded, on
// the connection's clock. The zero time is never.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.opError("set", c.out.setDeadline(t))
}

// LocalAddr returns the inner connection's local address.
func (c *Conn) LocalAddr() net.Addr { return c.inner.LocalAddr() }

// RemoteAddr returns the inner connection's remote address.
func (c *Conn) RemoteAddr() net.Addr { return c.inner.RemoteAddr() }

// NetConn returns the inner connection. Reading and writing it passes the links
// by.
func (c *Conn) NetConn() net.Conn { return c.inner }

// SyscallConn returns the inner connection's file descriptor, for socket
// options and the like: reading and writing it passes the links by. It returns
// an error that matches errors.ErrUnsupported where there is none.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	inner, ok := c.inner.(syscall.Conn)
	if !ok {
		return nil, c.opError("raw", errors.ErrUnsupported)
	}
	return inner.SyscallConn()
}

// opError wraps an error as the net package does.
func (c *Conn) opError(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return opError(c.inner, op, c.RemoteAddr(), err)
}

// opError wraps an error of a connection as the net package does.
func opError(conn interface{ LocalAddr() net.Addr }, op string, remote net.Addr, err error) error {
	switch err {
	case net.ErrClosed, os.ErrDeadlineExceeded, errors.ErrUnsupported:
	default:
		var number syscall.Errno
		if already := new(net.OpError); errors.As(err, &already) || !errors.As(err, &number) {
			return err // as the inner connection has it
		}
	}
	return wrapError(conn, op, remote, err)
}

// wrapError wraps an error in a net.OpError.
func wrapError(conn interface{ LocalAddr() net.Addr }, op string, remote net.Addr, err error) error {
	network, local := "", conn.LocalAddr()
	if local != nil {
		network = local.Network()
	}
	return &net.OpError{Op: op, Net: network, Source: local, Addr: remote, Err: err}
}

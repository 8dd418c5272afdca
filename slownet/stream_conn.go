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

// A Conn is a net.Conn whose bytes travel over slow links. Written bytes cross
// a link before they reach the inner connection; received bytes cross another link
// after they were read from it. A Conn is safe for concurrent use, like every
// net.Conn.
type Conn struct {
	endpoint
	inner       net.Conn
	owners      owners        // none for a connection made by NewConn
	tcp         *netem.TCP    // nil if streams are ideal
	roundTrip   time.Duration // measured by the handshake; 0 if there was none
	in          receiver
	out         sender
	closed      atomic.Bool // Close was called
	innerClosed atomic.Bool
}

// NewConn wraps a connection that carries a stream, as TCP does. With TLS, wrap
// the connection below TLS: a fault interrupts writes of the inner connection,
// and a tls.Conn is unusable after that. NewConn panics on an invalid
// configuration, see [netem.Link.Validate] and [netem.TCP.Validate], on a
// connection that carries datagrams (use [NewPacketConn]), and if inner is nil.
func NewConn(inner net.Conn, config Config) *Conn {
	config.mustBeValid("NewConn")
	mustCarryStream("NewConn", inner)
	config = config.withClock()
	return newConn(inner, &config, config.Seed, nil)
}

// mustCarryStream panics if inner is nil or carries datagrams.
func mustCarryStream(call string, inner net.Conn) {
	mustBeThere(call, inner)
	if carriesDatagrams(inner) {
		packet := strings.Replace(call, "Conn", "PacketConn", 1)
		panic(fmt.Sprintf("slownet: %s: a %s connection carries datagrams: wrap it with %s", call, inner.LocalAddr().Network(), packet))
	}
}

// newConn wraps a connection, which uses the links of the path if that is not nil.
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

// carriesDatagrams reports whether a connection preserves message boundaries.
func carriesDatagrams(inner net.Conn) bool {
	if _, ok := inner.(net.PacketConn); !ok {
		return false
	}
	network := inner.LocalAddr().Network()
	return strings.HasPrefix(network, "udp") || strings.HasPrefix(network, "ip") || network == "unixgram"
}

// Read reads bytes that have arrived, and waits if there are none. A reset by
// the peer arrives over the link, too. As on a socket, the first Read or Write
// that meets it fails with ECONNRESET; after that, Read returns io.EOF, and
// Write fails with EPIPE.
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
	if err == io.EOF && c.in.reset.tell() { // the delivery goroutine has seen a reset
		err = errno("read", syscall.ECONNRESET)
	}
	return n, c.opError("read", err)
}

// Write sends p. It returns when the last of its bytes has entered the link or its
// queue, which can take a while with [netem.Link.Rate] or [netem.Link.Pace]; it does
// not wait until the bytes have arrived. Over TCP, see [Config.TCP], it returns when
// the last byte has entered the send buffer. If the inner connection fails while
// bytes are in flight, the next Write returns the error.
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

// CloseWrite ends the stream in this direction. The end crosses the link after
// all bytes that were written; CloseWrite does not wait for it, see
// [Conn.Drain]. Later and blocked writes fail. CloseWrite returns an error that
// matches errors.ErrUnsupported if the inner connection does not support it.
func (c *Conn) CloseWrite() error {
	if _, ok := c.inner.(halfCloser); !ok {
		return c.opError("close", errors.ErrUnsupported)
	}
	return c.opError("close", c.out.finish())
}

type halfCloser interface{ CloseWrite() error }

// CloseRead shuts down reading; bytes already in flight can still be read. It
// returns an error that matches errors.ErrUnsupported if the inner connection
// does not support it.
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

// Close closes the connection and returns at once, as close(2) does. A second
// Close and all blocked reads and writes return an error that matches
// net.ErrClosed. Accepted bytes still cross the link and reach the
// inner connection, followed by the end of the stream; then the inner
// connection is closed. Between two deliveries no goroutine runs, only a timer
// of the connection's clock. Use [Conn.Drain] to wait for the end, and
// [Conn.SetLinger] to make Close wait.
//
// If nothing moves for five seconds after the close, because the inner
// connection takes less than 64 KiB in that time or because of a stall, the
// rest is discarded and the inner connection is reset if possible. Time that
// bytes spend on the link does not count.
//
// Bytes in flight to the reader are discarded. If there were unread bytes, the
// peer sees a reset after the last byte, as with any socket.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return c.opError("close", net.ErrClosed)
	}
	err := c.out.close(c.in.close())
	c.in.failBlocked()
	c.out.linger.await()
	return err
}

// closeInner closes the inner connection, once; if reset is set, with a reset
// if possible.
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
// stream. With unread bytes, TCP would send a reset instead.
func (c *Conn) endInner() {
	if inner, ok := c.inner.(halfCloser); ok && inner.CloseWrite() == nil {
		c.in.discard()
	}
	_ = c.closeInner(false)
}

// SetLinger sets what happens to bytes that are still in flight when Close is
// called, as SO_LINGER does. Below zero, the default, they arrive in the
// background. Zero discards them and resets the connection, even after Close.
// Above zero, Close waits until they have arrived, for at most that many seconds
// of the connection's clock; the rest then drains in the background. SetLinger
// also calls the inner connection's SetLinger if it has one, as a TCP connection
// does.
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

// SetReadDeadline sets the time after which Read fails with
// os.ErrDeadlineExceeded, on the connection's clock. The zero time means no
// deadline.
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.opError("set", c.in.setDeadline(t))
}

// SetWriteDeadline sets the time after which Write fails with
// os.ErrDeadlineExceeded, on the connection's clock. The zero time means no
// deadline.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.opError("set", c.out.setDeadline(t))
}

// LocalAddr returns the inner connection's local address.
func (c *Conn) LocalAddr() net.Addr { return c.inner.LocalAddr() }

// RemoteAddr returns the inner connection's remote address.
func (c *Conn) RemoteAddr() net.Addr { return c.inner.RemoteAddr() }

// NetConn returns the inner connection. Reads and writes on it bypass the
// links.
func (c *Conn) NetConn() net.Conn { return c.inner }

// SyscallConn returns access to the inner connection's file descriptor, for
// socket options and the like. Reads and writes on it bypass the links. It
// returns an error that matches errors.ErrUnsupported if the inner connection
// has no descriptor.
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
			return err // as the inner connection returned it
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

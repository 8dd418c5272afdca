package slownet

import (
	"errors"
	"net"
	"os"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// The methods in this file are the *net.TCPConn methods that set an option
// of the socket or give access to it. They go to the inner connection. Each
// returns an error that matches errors.ErrUnsupported where the inner
// connection has no such method, and one that matches net.ErrClosed after
// Close, even while bytes are still in flight.

// SetNoDelay sets whether the operating system may hold back small pieces to
// send them together (Nagle's algorithm). It has no effect on the links.
func (c *Conn) SetNoDelay(noDelay bool) error {
	inner, ok := c.inner.(interface{ SetNoDelay(bool) error })
	return c.setOption(ok, func() error { return inner.SetNoDelay(noDelay) })
}

// SetKeepAlive sets whether the operating system probes an idle connection. Its
// probes do not travel over the links.
func (c *Conn) SetKeepAlive(keepalive bool) error {
	inner, ok := c.inner.(interface{ SetKeepAlive(bool) error })
	return c.setOption(ok, func() error { return inner.SetKeepAlive(keepalive) })
}

// SetKeepAlivePeriod sets the real time between the inner connection's probes
// when it is idle; see [Conn.SetKeepAlive].
func (c *Conn) SetKeepAlivePeriod(d time.Duration) error {
	inner, ok := c.inner.(interface{ SetKeepAlivePeriod(time.Duration) error })
	return c.setOption(ok, func() error { return inner.SetKeepAlivePeriod(d) })
}

// SetKeepAliveConfig sets how the operating system probes an idle connection;
// see [Conn.SetKeepAlive].
func (c *Conn) SetKeepAliveConfig(config net.KeepAliveConfig) error {
	inner, ok := c.inner.(interface {
		SetKeepAliveConfig(net.KeepAliveConfig) error
	})
	return c.setOption(ok, func() error { return inner.SetKeepAliveConfig(config) })
}

// SetReadBuffer sets the size in bytes of the operating system's receive buffer
// and, if the stream travels over TCP, of the model's; see
// [netem.End.SetReadBuffer]. Bytes in flight on the link of an ideal stream do not
// count.
func (c *Conn) SetReadBuffer(bytes int) error {
	inner, ok := c.inner.(interface{ SetReadBuffer(int) error })
	return c.setOption(ok, func() error {
		c.in.setBuffer((*netem.Transfer).SetReadBuffer, bytes)
		return inner.SetReadBuffer(bytes)
	})
}

// SetWriteBuffer sets the size in bytes of the operating system's send buffer and,
// if the stream travels over TCP, of the model's; see [netem.End.SetWriteBuffer].
// Bytes in flight on the link of an ideal stream do not count; their limit is
// [netem.Link.Queue].
func (c *Conn) SetWriteBuffer(bytes int) error {
	inner, ok := c.inner.(interface{ SetWriteBuffer(int) error })
	return c.setOption(ok, func() error {
		c.out.setBuffer((*netem.Transfer).SetWriteBuffer, bytes)
		return inner.SetWriteBuffer(bytes)
	})
}

// setBuffer sets the size of a TCP buffer, if the stream uses TCP.
func (h *streamHalf) setBuffer(set func(*netem.Transfer, int), bytes int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.startTCPLocked() {
		set(h.tcp.Transfer, bytes)
		h.changed.wake()
		h.work.wake()
	}
}

// setOption sets an option of the inner connection if can is true.
func (c *Conn) setOption(can bool, set func() error) error {
	if err := c.canAct(can); err != nil {
		return c.opError("set", err)
	}
	return set()
}

// canAct returns the reason why a method of the inner connection cannot be called, or
// nil.
func (c *Conn) canAct(can bool) error {
	switch {
	case !can:
		return errors.ErrUnsupported
	case c.closed.Load():
		return net.ErrClosed
	}
	return nil
}

// MultipathTCP reports whether the inner connection uses MPTCP; see
// [net.TCPConn.MultipathTCP].
func (c *Conn) MultipathTCP() (bool, error) {
	inner, ok := c.inner.(interface{ MultipathTCP() (bool, error) })
	if err := c.canAct(ok); err != nil {
		return false, c.opError("raw-control", err)
	}
	return inner.MultipathTCP()
}

// File returns a copy of the inner connection's file descriptor. Reads and
// writes on it, or on a connection that net.FileConn makes of it, bypass the
// links. Closing the file does not close the connection, nor the reverse.
func (c *Conn) File() (*os.File, error) {
	inner, ok := c.inner.(interface{ File() (*os.File, error) })
	if err := c.canAct(ok); err != nil {
		return nil, c.opError("file", err)
	}
	return inner.File()
}

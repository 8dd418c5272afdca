package simtest

import (
	"net"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// Socket options that programs set through interfaces. Even those without an effect
// fail on a closed connection.

// SetNoDelay has no effect: bytes are always sent at once.
func (c *conn) SetNoDelay(bool) error { return c.setOption() }

// SetReadBuffer sets the size of the receive buffer, as on Linux; see
// [netem.End.SetReadBuffer]. It has no effect on an ideal stream, which has the window
// of [Config.Window].
func (c *conn) SetReadBuffer(bytes int) error {
	return c.setBuffer(func(e *netem.End) { e.SetReadBuffer(bytes) })
}

// SetWriteBuffer sets the size of the send buffer, as on Linux; see
// [netem.End.SetWriteBuffer]. It has no effect on an ideal stream.
func (c *conn) SetWriteBuffer(bytes int) error {
	return c.setBuffer(func(e *netem.End) { e.SetWriteBuffer(bytes) })
}

func (c *conn) setOption() error {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	if c.isClosed() {
		return c.opError("set", net.ErrClosed)
	}
	return nil
}

// setBuffer makes the loop set the size of a buffer.
func (c *conn) setBuffer(set func(*netem.End)) error {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	if c.isClosed() {
		return setError(c.network, c.local.addr())
	}
	if c.tcp != nil {
		c.postCallLocked(sending, func() {
			c.catchUpLoop()
			set(&c.tcp.end)
			c.afterLoop()
			c.outputLoop()
		})
	}
	return nil
}

// SetReadBuffer sets the number of bytes of datagrams that can wait for the reader
// before more are dropped.
func (c *packetConn) SetReadBuffer(bytes int) error {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	if c.closed {
		return setError(c.network, c.LocalAddr())
	}
	c.buffer = bytes
	return nil
}

// SetWriteBuffer has no effect: writes never wait.
func (c *packetConn) SetWriteBuffer(int) error {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	if c.closed {
		return setError(c.network, c.LocalAddr())
	}
	return nil
}

// setError returns the error of setting options and deadlines on a closed connection,
// as in the net package.
func setError(network string, local net.Addr) error {
	return &net.OpError{Op: "set", Net: network, Addr: local, Err: net.ErrClosed}
}

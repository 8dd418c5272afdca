package simtest

import "net"

// Options of sockets that programs set by interfaces. They change nothing here,
// and fail on a connection that is closed.

// SetNoDelay changes nothing: what is written always leaves at once.
func (c *conn) SetNoDelay(bool) error { return c.setOption() }

// SetReadBuffer changes nothing: the window is the simulation's; see
// [Config.Window].
func (c *conn) SetReadBuffer(int) error { return c.setBuffer() }

// SetWriteBuffer changes nothing.
func (c *conn) SetWriteBuffer(int) error { return c.setBuffer() }

func (c *conn) setOption() error {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	return nil
}

func (c *conn) setBuffer() error {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	if c.closed {
		return setError(c.network, c.local.addr())
	}
	return nil
}

// SetReadBuffer sets how many bytes of datagrams may wait for the reader before
// more are dropped.
func (c *packetConn) SetReadBuffer(bytes int) error {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	if c.closed {
		return setError(c.network, c.LocalAddr())
	}
	c.buffer = bytes
	return nil
}

// SetWriteBuffer changes nothing: writes never wait.
func (c *packetConn) SetWriteBuffer(int) error {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	if c.closed {
		return setError(c.network, c.LocalAddr())
	}
	return nil
}

// setError is what those options and deadlines fail with that every connection
// of the net package has, after its close.
func setError(network string, local net.Addr) error {
	return &net.OpError{Op: "set", Net: network, Addr: local, Err: net.ErrClosed}
}

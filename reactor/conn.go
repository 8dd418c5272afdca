package reactor

import (
	"net"
	"sync/atomic"
	"syscall"
)

// ErrWouldBlock is what [Conn.Read] returns when nothing is there to be read
// now. It is the system's own error for that, and the only one to compare with.
const ErrWouldBlock = syscall.EAGAIN

// A Conn is a connection that belongs to a loop. Its methods are for that loop
// only: for handlers and for functions that were handed to Call.
type Conn struct {
	conn      net.Conn
	reactor   *Reactor
	handler   Handler
	source    source
	signalled atomic.Bool // it is in the reactor's signals
	queued    bool        // it is in the reactor's ready
	drained   bool        // nothing was left to read when the handler looked last
	closed    bool
}

// A source reads a connection without blocking and knows when it can be read.
type source interface {
	tryRead(p []byte) (int, error) // or ErrWouldBlock
	repeats() bool                 // whether the poller says again that there is something left
	stop()                         // before the connection is closed
}

// open makes the loop wait for the connection, unless it was closed before.
func (c *Conn) open() {
	if !c.closed {
		c.reactor.conns++
		c.source = c.reactor.newSource(c)
	}
}

// Read reads what is there, at most len(p) bytes, and never waits: where there
// is nothing it returns [ErrWouldBlock]. At the end of the stream it returns
// io.EOF.
func (c *Conn) Read(p []byte) (int, error) {
	switch {
	case c.closed:
		return 0, net.ErrClosed
	case c.source == nil:
		return 0, ErrWouldBlock // Add was only just called
	}
	n, err := c.source.tryRead(p)
	if err == ErrWouldBlock {
		c.drained = true
	}
	return n, err
}

// Close closes the connection. Its handler is not called again.
func (c *Conn) Close() error {
	if c.closed {
		return net.ErrClosed
	}
	c.closed = true
	if c.source != nil {
		c.reactor.conns--
		c.source.stop()
	}
	err := c.conn.Close()
	c.reactor.feed()
	return err
}

// NetConn returns the connection that was handed to Add.
func (c *Conn) NetConn() net.Conn { return c.conn }

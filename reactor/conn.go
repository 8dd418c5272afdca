package reactor

import (
	"net"
	"sync/atomic"
	"syscall"
)

// ErrWouldBlock is the error of [Conn.Read] when no bytes are available. It is the
// system's EAGAIN; compare with ==.
const ErrWouldBlock = syscall.EAGAIN

// A Conn is a connection that belongs to a loop. Its methods must be called on that
// loop, by handlers and by functions passed to Call.
type Conn struct {
	conn      net.Conn
	reactor   *Reactor
	handler   Handler
	source    source
	signalled atomic.Bool // the connection is in the reactor's signals
	queued    bool        // the connection is in the reactor's ready
	drained   bool        // the handler's last Read found nothing more
	closed    bool
}

// A source reads a connection without blocking and reports when it is readable.
type source interface {
	tryRead(p []byte) (int, error) // or ErrWouldBlock
	repeats() bool                 // whether the poller reports unread bytes again
	stop()                         // before the connection is closed
}

// open registers the connection with the loop, unless it was closed before.
func (c *Conn) open() {
	if !c.closed {
		c.reactor.conns++
		c.source = c.reactor.newSource(c)
	}
}

// Read reads available bytes, at most len(p), and never waits: if there are none it
// returns [ErrWouldBlock]. At the end of the stream it returns io.EOF.
func (c *Conn) Read(p []byte) (int, error) {
	switch {
	case c.closed:
		return 0, net.ErrClosed
	case c.source == nil:
		return 0, ErrWouldBlock // Add has not run on the loop yet
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
	c.reactor.startStarved()
	return err
}

// NetConn returns the connection that was passed to Add.
func (c *Conn) NetConn() net.Conn { return c.conn }

package slownet

import (
	"cmp"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"
)

// A Conn is a net.Conn whose written bytes travel over a slow link before the
// inner connection sees them. It is safe for concurrent use, as every net.Conn.
type Conn struct {
	inner         net.Conn
	clock         clock.Clock
	out           *sender // nil where the link passes everything at once
	readDeadline  *deadline
	writeDeadline *deadline
	closed        atomic.Bool // by Close
}

// NewConn wraps a connection. It panics on an invalid link; see
// [Link.Validate].
func NewConn(inner net.Conn, config Config) *Conn {
	config.Write.mustBeValid()
	c := &Conn{inner: inner, clock: config.clock()}
	c.readDeadline = newDeadline(c.clock, inner.SetReadDeadline)
	innerWriteDeadline := inner.SetWriteDeadline
	if !config.Write.IsZero() {
		c.out = newSender(inner, c.clock, config.Write)
		if !c.out.direct {
			// What was accepted is delivered, whatever becomes of later writes.
			innerWriteDeadline = func(time.Time) error { return nil }
		}
	}
	c.writeDeadline = newDeadline(c.clock, innerWriteDeadline)
	return c
}

// Read reads what has arrived, as the inner connection does.
func (c *Conn) Read(p []byte) (int, error) {
	switch {
	case c.closed.Load():
		return 0, c.opError("read", net.ErrClosed)
	case len(p) > 0 && c.readDeadline.hasPassed():
		return 0, c.opError("read", os.ErrDeadlineExceeded)
	}
	n, err := c.inner.Read(p)
	if err != nil && c.closed.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
		err = c.opError("read", net.ErrClosed) // Close woke it while bytes were still leaving
	}
	return n, err
}

// Write puts p on its way. It returns when the last of its bytes has entered
// the link, which with [Link.Rate] or [Link.Pace] can take a while; it does
// not wait until they have arrived. An error that met bytes on their way is
// returned by the next Write.
func (c *Conn) Write(p []byte) (int, error) {
	if c.out == nil {
		switch {
		case c.closed.Load():
			return 0, c.opError("write", net.ErrClosed)
		case len(p) > 0 && c.writeDeadline.hasPassed():
			return 0, c.opError("write", os.ErrDeadlineExceeded)
		}
		return c.inner.Write(p)
	}
	n, err := c.out.write(p, c.writeDeadline)
	if err != nil {
		err = c.opError("write", err)
	}
	return n, err
}

// CloseWrite lets what was written arrive, waits for that, and then ends the
// stream in this direction; later writes fail as on a socket. It returns an
// error that matches errors.ErrUnsupported where the inner connection cannot do
// that.
func (c *Conn) CloseWrite() error {
	inner, ok := c.inner.(interface{ CloseWrite() error })
	if !ok {
		return c.opError("close", errors.ErrUnsupported)
	}
	if c.out == nil {
		return inner.CloseWrite()
	}
	if err := c.out.finish(c.writeDeadline, inner.CloseWrite); err != nil {
		return c.opError("close", err)
	}
	return nil
}

// CloseRead ends the stream in the direction that is read. It returns an error
// that matches errors.ErrUnsupported where the inner connection cannot do that.
func (c *Conn) CloseRead() error {
	inner, ok := c.inner.(interface{ CloseRead() error })
	if !ok {
		return c.opError("close", errors.ErrUnsupported)
	}
	return inner.CloseRead()
}

// Close closes the connection. Blocked reads and writes return at once with an
// error that matches net.ErrClosed. Close itself waits until what Write
// accepted has left and arrived at the inner connection, and closes that last;
// see [Conn.SetLinger] for a bound on the wait. If the inner connection does
// not take any of it for five seconds, the rest is discarded, the inner
// connection reset where it can be, and an error returned.
//
// Because it waits, Close must not be called with a lock held that others
// want, least of all in a testing/synctest bubble, where time stands still
// while a goroutine waits for a lock.
func (c *Conn) Close() error {
	first := !c.closed.Swap(true)
	if c.out == nil {
		err := c.inner.Close()
		c.readDeadline.stop()
		c.writeDeadline.stop()
		return err
	}
	if !first {
		<-c.out.drained
		return c.inner.Close()
	}
	c.out.refuse()
	c.readDeadline.close() // wakes readers; the inner connection stays open for what is in flight
	c.writeDeadline.close()
	lost := c.out.drain()
	err := c.inner.Close()
	close(c.out.drained)
	return cmp.Or(err, lost)
}

// SetLinger bounds how long Close waits for bytes that are still on their way:
// below zero, the default, until all have arrived; zero, not at all, and they
// are discarded; else so many seconds. A Close that is waiting notices. The
// inner connection is told too where it has such a method, as TCP has: there,
// zero makes Close a reset.
func (c *Conn) SetLinger(seconds int) error {
	if c.out != nil {
		c.out.setLinger(seconds)
	}
	if inner, ok := c.inner.(interface{ SetLinger(int) error }); ok {
		return inner.SetLinger(seconds)
	}
	return nil
}

// SetDeadline sets both deadlines, on the connection's clock.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline sets when Read gives up with os.ErrDeadlineExceeded, on the
// connection's clock. The zero time is never.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadline(c.readDeadline, t) }

// SetWriteDeadline sets when Write gives up with os.ErrDeadlineExceeded, on
// the connection's clock. The zero time is never.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(c.writeDeadline, t) }

func (c *Conn) setDeadline(d *deadline, t time.Time) error {
	err := d.set(t)
	if err == net.ErrClosed {
		err = c.opError("set", err)
	}
	return err
}

// LocalAddr returns the inner connection's local address.
func (c *Conn) LocalAddr() net.Addr { return c.inner.LocalAddr() }

// RemoteAddr returns the inner connection's remote address.
func (c *Conn) RemoteAddr() net.Addr { return c.inner.RemoteAddr() }

// NetConn returns the inner connection. Reading and writing it passes the link
// by.
func (c *Conn) NetConn() net.Conn { return c.inner }

// opError dresses an error as the net package does.
func (c *Conn) opError(op string, err error) error {
	var already *net.OpError
	if errors.As(err, &already) {
		return err
	}
	network := ""
	if local := c.LocalAddr(); local != nil {
		network = local.Network()
	}
	return &net.OpError{Op: op, Net: network, Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

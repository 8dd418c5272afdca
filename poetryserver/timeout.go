package poetryserver

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/slowpoetry/slowpoetry/slownet"
)

// A timeoutListener accepts connections whose Write fails if the client accepts
// no byte for the timeout.
type timeoutListener struct {
	net.Listener
	clock   clock.Clock
	timeout time.Duration // none if it is not positive
}

// Accept returns the next connection, with the timeout applied.
func (l *timeoutListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if buffered, ok := conn.(interface{ SetWriteBuffer(int) error }); ok {
		_ = buffered.SetWriteBuffer(chunk) // best effort
	}
	// Its links have no limits: it only provides deadlines on the clock.
	inner := slownet.NewConn(conn, slownet.Config{Clock: l.clock})
	if l.timeout <= 0 {
		return inner, nil
	}
	return &timeoutConn{Conn: inner, listener: l}, nil
}

// chunk is the largest write, in bytes. A larger send buffer would hide that a
// slow client is still reading.
const chunk = 64 << 10

// A probe takes 1/probes of the timeout. The timeout may be late by two probes:
// TCP does not wake a writer until a third of its send buffer is free, so the
// first probe may leave room that the second one fills.
const probes = 16

// A timeoutConn fails a Write when the client has accepted no byte for the
// timeout. When a deadline cuts a Write short, it is unknown when the client
// accepted the last byte. So if a chunk is not written within a part of the
// timeout, the probe, a single byte is written: it succeeds as soon as the
// client accepts something, or never.
type timeoutConn struct {
	*slownet.Conn
	listener *timeoutListener

	mu    sync.Mutex // guards the fields below, and the order of deadlines
	outer time.Time  // set by the paced connection around this one; zero is none
	inner time.Time  // set by Write; zero is none
}

// Write writes p. It fails if the client accepts no byte for the timeout.
func (c *timeoutConn) Write(p []byte) (n int, err error) {
	clock, timeout := c.listener.clock, c.listener.timeout
	last, stuck := clock.Now(), false
	for n < len(p) {
		size, until := chunk, clock.Now().Add(timeout/probes)
		if stuck {
			size, until = 1, last.Add(timeout)
		}
		if err := c.setWriteLimit(until); err != nil {
			return n, err
		}
		written, err := c.Conn.Write(p[n:min(n+size, len(p))])
		n += written
		if written > 0 {
			last = clock.Now()
		}
		switch {
		case err == nil:
			stuck = false
		case stuck, !errors.Is(err, os.ErrDeadlineExceeded), c.isEnded():
			return n, err
		default:
			stuck = true
		}
	}
	return n, c.setWriteLimit(time.Time{})
}

// setWriteLimit sets the deadline of the next write, or returns an error if the
// paced connection's deadline has passed.
func (c *timeoutConn) setWriteLimit(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isEndedLocked() {
		return os.ErrDeadlineExceeded
	}
	c.inner = t
	return c.setDeadlineLocked()
}

// SetWriteDeadline is called by the paced connection around this one to wake a
// blocked Write.
func (c *timeoutConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outer = t
	return c.setDeadlineLocked()
}

// setDeadlineLocked sets the earlier of the two deadlines.
func (c *timeoutConn) setDeadlineLocked() error {
	if c.inner.IsZero() || !c.outer.IsZero() && c.outer.Before(c.inner) {
		return c.Conn.SetWriteDeadline(c.outer)
	}
	return c.Conn.SetWriteDeadline(c.inner)
}

// isEnded reports whether the outer deadline has passed.
func (c *timeoutConn) isEnded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.isEndedLocked()
}

func (c *timeoutConn) isEndedLocked() bool {
	return !c.outer.IsZero() && !c.outer.After(c.listener.clock.Now())
}

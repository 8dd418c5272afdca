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

// A patientListener's connections give a client time to take in what is
// written, as long as it takes in something.
type patientListener struct {
	net.Listener
	clock   clock.Clock
	timeout time.Duration // none if it is not positive
}

// Accept returns the next connection, with the patience on it.
func (l *patientListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if buffered, ok := conn.(interface{ SetWriteBuffer(int) error }); ok {
		_ = buffered.SetWriteBuffer(chunk) // it matters little if it fails
	}
	// With a link of no limits it is here for deadlines on the clock.
	inner := slownet.NewConn(conn, slownet.Config{Clock: l.clock})
	if l.timeout <= 0 {
		return inner, nil
	}
	return &patientConn{Conn: inner, listener: l}, nil
}

// chunk is how much is written at a time. A large buffer of the system's would
// hide that a slow client goes on reading.
const chunk = 64 << 10

// A probe takes 1/probes of the time-out; the time-out may be late by two of them: TCP
// does not wake a writer until a third of its buffer is free, so the first probe may
// leave room that the second one fills.
const probes = 16

// A patientConn fails a Write when the client has taken in nothing for the
// time-out. A Write that was cut short by its deadline does not tell when the
// client took in the last bytes written. So a chunk that does not go through
// within a part of the time-out, the probe, is followed by a single byte: the
// byte goes through as soon as the client takes in something, or never.
type patientConn struct {
	*slownet.Conn
	listener *patientListener

	mu    sync.Mutex // guards what follows, and the order of deadlines
	outer time.Time  // set by the paced connection around this one; zero is none
	inner time.Time  // set by Write, likewise
}

// Write writes p, as long as the client takes in something within the time-out.
func (c *patientConn) Write(p []byte) (n int, err error) {
	clock, timeout := c.listener.clock, c.listener.timeout
	last, stuck := clock.Now(), false
	for n < len(p) {
		size, until := chunk, clock.Now().Add(timeout/probes)
		if stuck {
			size, until = 1, last.Add(timeout)
		}
		if err := c.setPatience(until); err != nil {
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
	return n, c.setPatience(time.Time{})
}

// setPatience sets the deadline of the next write, or returns an error if that
// of the paced connection has passed.
func (c *patientConn) setPatience(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isEndedLocked() {
		return os.ErrDeadlineExceeded
	}
	c.inner = t
	return c.setDeadlineLocked()
}

// SetWriteDeadline is how the paced connection around this one wakes a blocked
// Write.
func (c *patientConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outer = t
	return c.setDeadlineLocked()
}

// setDeadlineLocked sets the earlier of the two deadlines.
func (c *patientConn) setDeadlineLocked() error {
	if c.inner.IsZero() || !c.outer.IsZero() && c.outer.Before(c.inner) {
		return c.Conn.SetWriteDeadline(c.outer)
	}
	return c.Conn.SetWriteDeadline(c.inner)
}

// isEnded reports whether the deadline of the paced connection has passed.
func (c *patientConn) isEnded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.isEndedLocked()
}

func (c *patientConn) isEndedLocked() bool {
	return !c.outer.IsZero() && !c.outer.After(c.listener.clock.Now())
}

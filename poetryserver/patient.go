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
	return &patientConn{Conn: slownet.NewConn(conn, slownet.Config{Clock: l.clock}), listener: l}, nil
}

// chunk is how much is written at a time. A large write, or a large buffer of
// the system's, would hide that a slow client goes on reading.
const chunk = 64 << 10

// A patientConn sets a new deadline for every chunk that it writes.
type patientConn struct {
	*slownet.Conn
	listener *patientListener

	mu    sync.Mutex // guards ended, and the order of deadlines
	ended bool       // a deadline in the past was set: nothing is written any more
}

// Write writes p in chunks, and gives the client time anew with each.
func (c *patientConn) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		if err = c.renew(); err == nil {
			var written int
			written, err = c.Conn.Write(p[n:min(n+chunk, len(p))])
			n += written
			if written > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
				err = nil // slow, but not idle
			}
		}
	}
	return n, err
}

// renew starts the client's time anew.
func (c *patientConn) renew() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ended:
		return os.ErrDeadlineExceeded
	case c.listener.timeout <= 0:
		return nil
	}
	return c.Conn.SetWriteDeadline(c.listener.clock.Now().Add(c.listener.timeout))
}

// SetWriteDeadline is how the paced connection around this one wakes a blocked
// Write when it is closed.
func (c *patientConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = c.ended || !t.IsZero() && !t.After(c.listener.clock.Now())
	return c.Conn.SetWriteDeadline(t)
}

package simtest

import (
	"syscall"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// An end of a connection has one state, named as in RFC 9293, from the user's point of
// view: a FIN counts as sent when the user has ended the stream, even if it waits for
// bytes written before. Only Established, FinWait1, CloseWait, Closing, LastAck and
// Closed are distinguished here. Over TCP the machine has a state of its own, which
// also depends on acknowledgements.

// finSent is the transition when the user ends its direction.
func (c *conn) finSent() { c.state = c.state.AfterFinSent() }

// finReceived is the transition when the end of the peer's stream has arrived.
func (c *conn) finReceived() { c.state = c.state.AfterFinReceived() }

// forget is the transition when the connection is reset or given up.
func (c *conn) forget() { c.state = netem.Closed }

// fail is forget with an error for the user. A reader whose peer has ended its stream
// still gets the end of the stream.
func (c *conn) fail(errno syscall.Errno) {
	c.errno, c.errnoFor = errno, anyone
	if c.state.IsFinReceived() {
		c.errnoFor = theWriter
		if errno == syscall.ECONNRESET {
			c.errno = syscall.EPIPE
		}
	}
	c.forget()
}

// isForgotten reports whether the connection was reset or given up.
func (c *conn) isForgotten() bool { return c.state == netem.Closed }

// A usage is the extent to which an end is still usable, which only decreases. It is
// not part of the state: for the peer, and in RFC 9293, a closed end is one whose user
// has ended its stream, until something arrives that cannot be read.
type usage uint8

const (
	inUse   usage = iota
	noReads       // after CloseRead
	closed        // by Close, with the host or with the simulation: calls fail
	gone          // closed, and all waiting calls have returned
)

// readsClosed is the transition of CloseRead: the user stops reading.
func (c *conn) readsClosed() { c.usage = max(c.usage, noReads) }

// closes is the transition when the end is closed. Waiting calls return later.
func (c *conn) closes() { c.usage = max(c.usage, closed) }

// isClosed reports whether the end is not usable at all.
func (c *conn) isClosed() bool { return c.usage >= closed }

// isShut reports whether arriving bytes cannot be read because both directions are
// closed.
func (c *conn) isShut() bool {
	return c.isClosed() || c.usage == noReads && c.state.IsFinSent()
}

// hasCrashed reports whether the end has crashed with its host: whether it is closed,
// before or by the crash, and the host has crashed since it was opened.
func (c *conn) hasCrashed() bool { return c.isClosed() && c.hostCrashes != c.host.crashes }

// A pathState says whether an ideal stream's path works. While it does not, a retry is
// scheduled, as in TCP.
type pathState uint8

const (
	working       pathState = iota
	returnBlocked           // nothing from the peer arrives, not even acknowledgements
	blocked                 // nothing reaches the peer, so nothing leaves until that changes
)

// A caller is the call that gets the error of a reset.
type caller uint8

const (
	anyone caller = iota // whichever comes first
	theReader
	theWriter
)

package simtest

import (
	"syscall"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// An end of a connection has one state, as RFC 9293 names it and as its user sees
// it: a FIN counts as sent when its user has ended the stream, though it may wait for
// what was written before. Established, FinWait1, CloseWait, Closing, LastAck and
// Closed are all that differ here. Over TCP the machine has a state of its own,
// which tells in addition what is acknowledged.

// finSent is the transition when the user ends its direction.
func (c *conn) finSent() { c.state = c.state.AfterFinSent() }

// finReceived is the transition when the end of the peer's stream has arrived.
func (c *conn) finReceived() { c.state = c.state.AfterFinReceived() }

// forget is the transition when the connection is reset or given up: nothing of
// it is remembered.
func (c *conn) forget() { c.state = netem.Closed }

// fail is forget, and tells the user why: a reader whose peer has ended its stream
// gets the end of it nevertheless.
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

// A usage is how much of an end its user can use, which only becomes less. It is no
// part of the state: to the peer, and to RFC 9293, an end that was closed is one whose
// user has ended its stream, until something arrives that nobody can read.
type usage uint8

const (
	inUse   usage = iota
	noReads       // after CloseRead
	closed        // by Close, with the host or with the simulation: calls fail
	gone          // closed, and all that wait have been told
)

// readsClosed is the transition when the user wants to read no more.
func (c *conn) readsClosed() { c.usage = max(c.usage, noReads) }

// closes is the transition when the end is closed. Those that wait are told later.
func (c *conn) closes() { c.usage = max(c.usage, closed) }

// isClosed reports whether the user cannot use the end at all.
func (c *conn) isClosed() bool { return c.usage >= closed }

// isShut reports whether what arrives can be read by nobody, as both directions are
// closed.
func (c *conn) isShut() bool {
	return c.isClosed() || c.usage == noReads && c.state.IsFinSent()
}

// hasCrashed reports whether the end has crashed with its host: what is closed when that
// crashes has no one left, whether it was closed before or by the crash.
func (c *conn) hasCrashed() bool { return c.isClosed() && c.hostCrashes != c.host.crashes }

// A pathState is how an ideal stream finds its way to work. While it does not, it is
// scheduled to be tried again, as TCP does.
type pathState uint8

const (
	working       pathState = iota
	returnBlocked           // what the peer sends does not arrive, and so no acknowledgement
	blocked                 // what is sent does not arrive at the peer: until then nothing leaves
)

// A caller is who gets the error of a reset.
type caller uint8

const (
	anyone caller = iota // who calls first
	theReader
	theWriter
)

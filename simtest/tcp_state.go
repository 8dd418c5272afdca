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

// A caller is who gets the error of a reset.
type caller uint8

const (
	anyone caller = iota // who calls first
	theReader
	theWriter
)

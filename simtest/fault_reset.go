package simtest

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"syscall"
)

// Reset resets all connections between two hosts, as a middlebox does: both ends get
// ECONNRESET at once.
func (s *Sim) Reset(a, b string) {
	s.mustBeHosts("Reset", a, b)
	s.control(fmt.Sprintf("reset %q %q", a, b), func() {
		s.faultLocked("reset", a, b)
		s.resetLocked(a, b)
	})
}

func (s *Sim) resetLocked(a, b string) {
	for _, h := range s.ordered {
		if h.name != a && h.name != b {
			continue
		}
		for _, c := range slices.SortedFunc(maps.Keys(h.conns), compareConns) {
			if other := c.far.name; other == a && h.name == b || other == b && h.name == a {
				c.breakLocked()
				c.peer.breakUnopenedLocked()
			}
		}
	}
}

// ResetConn resets one connection: both ends get ECONNRESET at once. c may wrap a
// connection of the simulation if it has a NetConn method, as a *tls.Conn has.
// ResetConn panics if c is nil or not from the simulation.
func (s *Sim) ResetConn(c net.Conn) {
	if c == nil {
		panic("simtest: ResetConn needs a connection, such as one that Host.Dial has returned")
	}
	inner, wraps := c, false
	for {
		if simulated, ok := inner.(*conn); ok && simulated.sim == s {
			s.control(fmt.Sprintf("reset connection %v", simulated.id()), func() {
				s.faultLocked("reset", simulated.host.name, simulated.far.name)
				simulated.breakLocked()
				simulated.peer.breakLocked()
			})
			return
		}
		around, ok := inner.(interface{ NetConn() net.Conn })
		switch {
		case !ok && wraps:
			panic(fmt.Sprintf("simtest: ResetConn: %T is not a connection of this simulation, and its NetConn method does not lead to one", c))
		case !ok:
			panic(fmt.Sprintf("simtest: ResetConn: %T is not a connection of this simulation: pass one that Host.Dial or Accept has returned, or one around it that has a NetConn method", c))
		}
		inner, wraps = around.NetConn(), true
	}
}

// breakUnopenedLocked breaks the accepting end of a connection that its host does not
// know yet, since the confirmation has not arrived.
func (c *conn) breakUnopenedLocked() {
	if _, open := c.host.conns[c]; !open && !c.isClosed() {
		c.breakLocked()
	}
}

// breakLocked resets this end, in an event of its own.
func (c *conn) breakLocked() {
	c.abandonLocked()
	c.sim.scheduleLocked(c.sim.now(), &event{host: c.host, do: func() { c.giveUpLocked(syscall.ECONNRESET) }, line: &c.peer.line})
}

// receiveResetLocked wakes the waiting calls when the connection is reset. As on Linux,
// one of them gets the error: the one that has waited longest; of a reader and a
// writer, the reader, or with a seed, either. After that, reads return the end of the
// stream, and writes EPIPE. If no call waits, the next one gets the error.
func (c *conn) receiveResetLocked() {
	s := c.sim
	reads := c.errnoFor != theWriter && (c.reads.first != nil || c.notify != nil)
	if c.writes.first != nil && (!reads || s.ties.isSecond(s.instant, c.flowName())) {
		c.goOnWritingLocked()
		c.wakeReadersLocked()
		return
	}
	if reads {
		c.errnoFor = theReader
	}
	c.wakeReadersLocked()
	c.goOnWritingLocked()
}

// takeErrnoLocked returns the error number of the reset, and clears it.
func (c *conn) takeErrnoLocked() syscall.Errno {
	errno := c.errno
	c.errno = 0
	return errno
}

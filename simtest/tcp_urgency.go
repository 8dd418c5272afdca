package simtest

import (
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// An endSnapshot is the part of a machine's state that the other end needs, as of the
// machine's last event; see updateUrgencyLoop.
type endSnapshot struct {
	next           time.Duration // time at which the next timer other than that of probes is due
	state          netem.State
	isAcknowledged bool // everything written is acknowledged
	isSettled      bool // everything written has been sent
	isPassive      bool // no inner event makes it send, while links only add latency
	opening        bool // the handshake has not ended
	probes         bool // it probes an idle peer
	mayWrite       bool // a call of Write may wait
}

// snapshotLoop updates the snapshot of the machine.
func (c *conn) snapshotLoop() {
	m, s := c.tcp, c.snapshot()
	s.next = m.end.NextBusy()
	s.isAcknowledged = m.end.IsAcknowledged()
	s.isSettled = m.pace.held == 0 && m.end.IsSettled()
	if state := m.end.State(); state == netem.Established && s.state == state && !s.opening {
		s.isPassive = s.isSettled
		s.probes = m.end.NextProbe() != netem.Never
	} else {
		c.snapshotStateLoop()
	}
	c.room, c.roomIsExact = 0, false
	if c.posted[sending] > 0 { // otherwise it may never write, and roomLocked computes the room when it is needed
		c.room = m.end.RoomAtLeast(m.pace.held)
	}
}

// snapshotStateLoop updates what depends on the machine's state.
func (c *conn) snapshotStateLoop() {
	m, s := c.tcp, c.snapshot()
	s.state, s.opening = m.end.State(), m.opening
	s.isPassive = !s.opening && s.state != netem.Closed && s.state != netem.TimeWait && !s.isUrgent(true)
	s.probes = m.probes()
}

// snapshot returns the snapshot of the machine.
func (c *conn) snapshot() *endSnapshot { return &c.tcp.pair.snapshots[c.side] }

// isWriteWaiting reports whether a call of Write waits. Waiting calls have set
// mayWrite.
func (c *conn) isWriteWaiting() bool {
	s := c.snapshot()
	s.mayWrite = s.mayWrite && c.writes.first != nil
	return s.mayWrite
}

// updateUrgencyLoop updates the snapshot of the machine, and the urgency of the
// connection: whether its inner events may have visible effects, and the least time
// until then. Call it after everything that changes the machine.
func (c *conn) updateUrgencyLoop() {
	c.snapshotLoop()
	p, u := c.tcp.pair, &c.sim.urgent
	one, other := &p.snapshots[c.side], &p.snapshots[1-c.side]
	links, isClear := c.linksLoop()
	if isClear && p.links == links && p.staysLazy(c.sim.faults) {
		return
	}
	if one.isAcknowledged && other.isAcknowledged {
		p.troubled, p.links = false, links
	}
	isClear = isClear && !p.troubled && p.links == links
	urgent, isHealthy := one.isUrgent(isClear) || other.isUrgent(isClear), c.isHealthy()
	atOnce := c.isWriteWaiting() || c.peer.isWriteWaiting() || (one.probes || other.probes) && !isHealthy
	urgent = urgent || atOnce
	c.setLazyLoop(!urgent && !allInTime && isClear && isHealthy && one.state != netem.TimeWait && other.state != netem.TimeWait)
	if urgent {
		ahead := time.Duration(0) // a timer or an acknowledgement may end the connection
		if !atOnce && !p.troubled && !one.opening && !other.opening && !isClosing(one.state) && !isClosing(other.state) {
			ahead = c.leastLookahead()
		}
		if u.pairs == 0 {
			u.ahead = ahead
		}
		u.ahead = min(u.ahead, ahead)
	}
	if urgent == p.urgent {
		return
	}
	if p.urgent = urgent; urgent {
		u.pairs++
	} else {
		u.pairs--
	}
}

// staysLazy reports whether the connection is lazy and nothing has happened that could
// change that, provided that its links only add latency and have not changed.
func (p *pair) staysLazy(faults uint64) bool {
	one, other := &p.snapshots[0], &p.snapshots[1]
	return p.lazy.on && p.faults == faults && !p.urgent && !p.troubled &&
		one.isPassive && other.isPassive && !one.mayWrite && !other.mayWrite
}

// isClosing reports whether a FIN waits for its acknowledgement, which is visible to
// CloseRead and CloseWrite.
func isClosing(s netem.State) bool {
	return s == netem.FinWait1 || s == netem.Closing || s == netem.LastAck
}

// links returns a number that changes with the links of the connection.
func (c *conn) links() int {
	links, _ := c.linksLoop()
	return links
}

// linksLoop returns links, and whether segments to the peer and back are only delayed.
func (c *conn) linksLoop() (links int, areClear bool) {
	if !c.crosses() {
		return c.route.version + c.back.version, c.route.isClear && c.back.isClear
	}
	isClear := func(h *hop) bool { return h.isClear }
	there, back := c.ways()
	return there.versions() + back.versions(), there.all(isClear) && back.all(isClear)
}

// isUrgent reports whether inner events may make the end send something.
func (s *endSnapshot) isUrgent(isClear bool) bool {
	switch s.state {
	case netem.Closed, netem.TimeWait:
		return false
	case netem.Established, netem.CloseWait, netem.FinWait2:
		return !s.isSettled || !isClear && !s.isAcknowledged
	}
	return true
}

// probes reports whether the end probes an idle peer.
func (m *machine) probes() bool {
	switch m.end.State() {
	case netem.Established, netem.CloseWait, netem.FinWait1, netem.FinWait2:
		return m.end.NextProbe() != netem.Never
	}
	return false
}

// troubleLoop records that something was lost or held.
func (c *conn) troubleLoop() {
	c.tcp.pair.troubled = true
	c.peer.snapshotLoop() // it may be sending
	c.updateUrgencyLoop()
}

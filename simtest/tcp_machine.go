package simtest

import (
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A machine is TCP at one end of a connection. It handles sequence numbers; the bytes
// are in the streams. Only the loop calls its methods, and the methods of a
// connection whose names end in Loop.
type machine struct {
	pair       *pair
	alarmAt    time.Duration // of the event that calls Expire; 0 is none
	faults     uint64        // sim.faults when the links were last passed to the end
	sent       uint64        // counts packets
	took       time.Duration // time that the last received segment was in flight
	pace       pacing
	opening    bool   // the handshake has not ended
	delivering bool   // bytes are being delivered, and reads are passed to the machine afterwards
	elsewhere  bool   // the host refused, but listens at the other family's address
	bursts     uint32 // number of times that calls of Write have continued
	end        netem.End
	attempt    *attempt   // that waits for the handshake; nil for none
	listener   *listener  // that waits for the handshake; nil for none
	tcp        *netem.TCP // its host's at the beginning, or its own; never changed
	log        *packetLog // nil unless packets are recorded
}

// A pair is the state that both ends of a connection share. An event at one end reads
// only the fields before machines of the other end.
type pair struct {
	lazy      lazyState
	urgent    bool // its inner events may have visible effects
	troubled  bool // something was lost or held, and not everything is acknowledged since
	links     int  // the links when everything was last acknowledged
	snapshots [2]endSnapshot
	train     [2]train // of the segments that each end sent
	faults    uint64   // sim.faults when the network was last found healthy; 0 is never
	machines  [2]machine
}

// A pacing holds written bytes until the link's pace lets them pass.
type pacing struct {
	held   int           // bytes
	free   time.Duration // time at which the next piece may pass
	ends   bool          // the end of the stream follows them
	waking bool          // an event for that is scheduled
}

// startTCP gives both ends of a new connection their machines.
func (c *conn) startTCP(pair *pair) {
	for side := range pair.machines {
		pair.machines[side].pair = pair
		pair.train[side].last = none
		pair.lazy.acks[side].first = none
	}
	c.tcp, c.peer.tcp = &pair.machines[0], &pair.machines[1]
	c.tcp.tcp, c.peer.tcp.tcp = c.host.tcp, c.far.tcp
	c.snapshotLoop()
	c.peer.snapshotLoop()
}

// dialLoop sends the first SYN.
func (c *conn) dialLoop(a *attempt) {
	m := c.tcp
	m.attempt, m.opening = a, true
	m.end.InitDial(*m.tcp, c.sim.instant)
	c.noteLinksLoop()
	c.outputLoop()
}

// loopbackMTU is the size of the largest packet that Linux's loopback carries.
const loopbackMTU = 65536

// mtu returns the size of the largest packet that both directions carry. Over zero
// links it is that of loopback.
func (c *conn) mtu() int {
	there, back := c.ways()
	if there.isNothing() && back.isNothing() {
		return loopbackMTU
	}
	return min(there.packetSize(), back.packetSize())
}

// noteLinksLoop adapts the machine to links that have changed.
func (c *conn) noteLinksLoop() {
	c.tcp.faults = c.sim.faults
	c.tcp.end.SetMTU(c.mtu())
}

// writtenLoop passes written bytes to the machine.
func (c *conn) writtenLoop(n int) {
	m := c.tcp
	if m.end.State() == netem.Closed {
		return
	}
	c.passLoop(c.sim.instant) // feedLoop updates the urgency
	m.pace.held += n
	c.feedLoop()
}

// finishLoop ends the stream after everything written.
func (c *conn) finishLoop() {
	c.catchUpLoop()
	c.tcp.pace.ends = true
	c.feedLoop()
}

// feedLoop passes bytes to the machine as the pace allows.
func (c *conn) feedLoop() {
	m, now, pace := c.tcp, c.sim.instant, &c.route.link.Pace
	if c.hasCrashedLocked() {
		return
	}
	for p := &m.pace; p.held > 0 || p.ends; {
		if p.free > now {
			if !p.waking {
				p.waking = true
				c.sim.callAtLocked(p.free, c.host, func() {
					p.waking = false
					c.catchUpLoop()
					c.feedLoop()
					c.afterLoop()
				})
			}
			break
		}
		if p.held == 0 {
			p.ends = false
			m.end.CloseWrite()
			break
		}
		n := p.held
		if pace.Wait > 0 {
			if pace.Bytes > 0 {
				n = min(n, pace.Bytes)
			}
			p.free = now + pace.Wait
		}
		p.held -= n
		m.end.Write(now, n)
	}
	c.outputLoop()
}

// readLoop passes the number of bytes read to the machine, and sends the segments that
// result.
func (c *conn) readLoop() {
	c.catchUpLoop()
	if c.tookLoop() {
		c.outputLoop()
	}
}

// tookLoop passes the number of bytes read to the machine, and reports whether there
// are any.
func (c *conn) tookLoop() bool {
	n := c.taken
	c.taken = 0
	if n == 0 || c.tcp.end.State() == netem.Closed {
		return false
	}
	c.tcp.end.Read(c.sim.instant, n)
	return true
}

// abortLoop resets the peer.
func (c *conn) abortLoop() {
	c.catchUpLoop()
	c.tcp.end.Abort()
	c.outputLoop()
}

// drop ends the machine silently.
func (m *machine) drop() {
	m.end = netem.End{}
	m.pace.held, m.pace.ends = 0, false
	m.alarmAt = 0
}

// outputLoop sends the machine's segments, and schedules its timer.
func (c *conn) outputLoop() {
	c.sendLoop()
	c.updateUrgencyLoop()
	if q := &c.tcp.pair.lazy; q.on {
		q.dueLoop(c.snapshot().next)
		return
	}
	c.armLoop()
}

// sendLoop sends the machine's segments.
func (c *conn) sendLoop() {
	m := c.tcp
	if m.faults != c.sim.faults {
		c.noteLinksLoop()
	}
	for segment := &c.sim.outgoing; !m.end.IsQuiet() && m.end.OutputTo(segment, c.sim.instant); {
		c.transmitLoop(segment)
	}
}

// armLoop schedules the machine's timer.
func (c *conn) armLoop() {
	m := c.tcp
	at := m.end.NextBusy()
	if m.end.State() == netem.TimeWait {
		return // its end is not visible
	}
	if m.pair.lazy.on {
		m.pair.lazy.dueLoop(at)
		return
	}
	if probe := m.end.NextProbe(); probe < at && !c.isHealthy() {
		at = probe
	}
	if at == netem.Never || m.alarmAt != 0 && m.alarmAt <= at {
		return
	}
	m.alarmAt = at
	c.sim.scheduleInnerLocked(at, &event{what: expiring, conn: c, host: c.host})
}

// expireLoop handles the event of the machine's timer.
func (c *conn) expireLoop() {
	m, now := c.tcp, c.sim.instant
	if m.alarmAt == 0 || m.alarmAt > now {
		return // there is a later event
	}
	m.alarmAt = 0
	c.catchUpLoop()
	if c.hasCrashedLocked() || c.isAbandonedOpening() {
		return
	}
	if m.end.Next() <= now {
		m.end.Expire(now)
	}
	c.outputLoop()
	c.afterLoop()
}

// isAbandonedOpening reports whether the end is in an abandoned handshake: the dial was
// given up, or the listener was closed, with its host or by itself. If so, it gives the
// connection up.
func (c *conn) isAbandonedOpening() bool { return c.tcp.opening && c.abandonsOpening() }

func (c *conn) abandonsOpening() bool {
	m := c.tcp
	switch {
	case m.attempt != nil && m.attempt.isGoneLocked():
	case m.listener != nil && m.listener.closed:
		c.forget()
	default:
		return false
	}
	m.opening, m.listener = false, nil
	m.drop()
	c.updateUrgencyLoop()
	c.freePortLocked()
	return true
}

// blockedLoop lets a waiting call of Write continue, if there is room.
func (c *conn) blockedLoop() {
	c.catchUpLoop()
	if c.tcp.end.State() != netem.Closed {
		c.goOnWritingLocked()
	}
	c.updateUrgencyLoop()
}

// afterLoop passes changes of the connection to its user.
func (c *conn) afterLoop() {
	m := c.tcp
	if m.opening {
		c.noteOpeningLoop()
	}
	if n := int(m.end.Received() - c.arrived); n > 0 {
		c.deliverLoop(n)
	}
	if m.end.Ended() && !c.state.IsFinReceived() && !c.isForgotten() && !c.isClosed() {
		c.sim.recordLocked(&trace.Event{Kind: trace.Close, From: c.far.name, To: c.host.name, Conn: c.id(), Offset: c.arrived})
		c.finReceived()
		c.wakeReadersLocked()
	}
	if m.end.State() == netem.Closed {
		switch m.end.Failure() {
		case netem.Reset, netem.Refused:
			c.failLoop(syscall.ECONNRESET)
		case netem.TimedOut:
			c.failLoop(syscall.ETIMEDOUT)
		}
		return
	}
	if c.writes.first != nil && m.end.HasRoom(c.fresh+m.pace.held) {
		c.room, c.roomIsExact = m.end.Room(m.pace.held), true
		c.goOnWritingLocked()
	}
}

// failLoop ends the connection, unless it has ended.
func (c *conn) failLoop(errno syscall.Errno) {
	if !c.isForgotten() {
		c.sim.woken = true
		c.giveUpLocked(errno)
	}
}

// noteOpeningLoop detects the end of the handshake.
func (c *conn) noteOpeningLoop() {
	if m := c.tcp; m.opening && !m.end.State().IsOpening() {
		c.openedLoop()
	}
}

// openedLoop handles the end of the handshake.
func (c *conn) openedLoop() {
	m := c.tcp
	m.opening = false
	c.snapshotLoop()
	c.sim.woken = true
	established := m.end.State() != netem.Closed
	switch a := m.attempt; {
	case a != nil && established:
		a.establishedLocked()
	case a != nil && m.end.Failure() == netem.Refused:
		a.elsewhere = c.peer.tcp.elsewhere
		a.failLocked(syscall.ECONNREFUSED)
	case a != nil:
		a.failLocked(syscall.ETIMEDOUT)
	case established:
		m.listener.confirmedLocked(c)
	}
	m.attempt, m.listener = nil, nil
	if !established {
		c.forget()
	}
}

// deliverLoop delivers n bytes that have arrived in order.
func (c *conn) deliverLoop(n int) {
	e := c.sim.trace.upcoming()
	arrived := c.arrivalLocked(e, n)
	e.Took = c.tcp.took
	c.arrived += int64(n)
	if c.isClosed() { // after a reset
		e.Kind, e.Note = trace.Drop, "connection is closed"
		c.stream.skip(n, &c.sim.spareRings)
	} else {
		c.unread += n
		c.tcp.delivering = true
		c.wakeReadersLocked()
		c.tcp.delivering = false
	}
	if c.sim.trace.recording != nil {
		c.sim.trace.arrived = arrived
	}
	c.sim.recordLocked(e)
	c.tookLoop()
}

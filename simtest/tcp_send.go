package simtest

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/departures"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// An idealSender is the sending half of an ideal stream. Each piece leaves when the
// link is free for it, so that changes of the network affect pieces that have not left
// yet.
type idealSender struct {
	waiting   int       // bytes in out
	left      int64     // bytes that have left
	pathState pathState // whether the path works

	// These are independent of state, usage and pathState.
	probing bool // a probe is waiting or in flight, because nothing sent before was answered
	awaited bool // the peer probes until the reset arrives

	windowUpdateDue bool // the peer gets a window update at the end of this instant
	outstanding     int  // bytes sent that the peer has not reported as read
	out             fifo[segment]
	flow            netem.Flow
	leavingAt       time.Duration     // time at which the next piece leaves, if that is scheduled; otherwise 0
	finishKnown     time.Duration     // time at which this end learns that the end of the stream has arrived; 0 if it has not
	stages          *stages           // nil if the path has no access
	pendings        *[hops]pending    // by flow; nil until something is lost
	departed        *departures.Queue // nil if it is not needed
}

// A segment is the unit in which a connection sends: bytes, or an event after them that
// needs no capacity.
type segment struct {
	n     int
	do    func() // the event, called at its arrival; nil for bytes
	reset bool   // it is a reset, which is sent only once
}

// Write sends p. It waits while the window or the link's queue is full.
func (c *conn) Write(p []byte) (n int, err error) {
	c.sim.lock()
	write := transfer{p: p}
	var noted *writing
	if r := c.sim.trace.recording; r != nil {
		noted = r.wrote(c.peer, len(p))
	}
	// Bytes of two calls are not interleaved: a call waits for the one before it.
	if c.writes.first != nil || !c.writeAtOnceLocked(&write, &err) {
		c.blocksLocked()
		write, err = c.writes.waitLocked(&c.sim.transfers, &c.sim.mu, write)
	}
	if noted != nil {
		noted.n = write.n
	}
	c.sim.mu.Unlock()
	if err != nil {
		err = c.opError("write", err)
	}
	return write.n, err
}

// writeAtOnceLocked writes as many bytes as there is room for. If more room may have
// become available than is known here, it writes nothing: the call waits for the loop.
func (c *conn) writeAtOnceLocked(w *transfer, err *error) (over bool) {
	if *err = c.writeErrorLocked(); *err != nil {
		return true
	}
	room := c.roomLocked(len(w.p))
	if c.tcp != nil && len(w.p) > room && c.isBehindLocked() {
		return false
	}
	return c.writeSomeLocked(w, room)
}

// isBehindLocked reports whether acknowledgements may have arrived that the loop has
// not processed yet.
func (c *conn) isBehindLocked() bool {
	now := c.sim.now()
	if q := &c.tcp.pair.lazy; q.on && q.next <= now {
		return true
	}
	at, ok := c.sim.inner.next()
	return ok && at <= now
}

// goOnWritingLocked lets waiting calls write as many bytes as there is room for.
func (c *conn) goOnWritingLocked() {
	c.sim.woken = true
	if c.tcp != nil {
		c.tcp.bursts++
	}
	c.writes.serveLocked(&c.writeDeadline, func(write *transfer) (err error, over bool) {
		over = c.writeLocked(write, &err)
		return err, over
	})
}

// blocksLocked makes the loop check a call of Write that is about to wait: there may be
// acknowledgements that have not been processed yet.
func (c *conn) blocksLocked() {
	if c.tcp != nil {
		c.snapshot().mayWrite = true
		c.postLocked(windowProbes, writeWaiting)
	}
}

// writeLocked writes as many bytes as there is room for. It returns false if the call
// has to wait for more.
func (c *conn) writeLocked(w *transfer, err *error) (over bool) {
	if *err = c.writeErrorLocked(); *err != nil {
		return true
	}
	return c.writeSomeLocked(w, c.roomLocked(len(w.p)-w.n))
}

// writeSomeLocked writes as many bytes as there is room for to a writable connection.
func (c *conn) writeSomeLocked(w *transfer, room int) (over bool) {
	room = min(room, len(w.p)-w.n, burst-c.fresh)
	if c.tcp == nil {
		if ahead := c.ahead(); ahead > 0 {
			room = min(room, ahead-c.waiting)
		}
	}
	if room > 0 {
		if c.tcp == nil {
			c.outstanding += room
			c.waiting += room
		}
		c.fresh += room
		c.peer.stream.write(w.p[w.n:w.n+room], &c.sim.spareRings)
		if c.tcp != nil && c.sim.trace.packets {
			c.tcp.keep(w.p[w.n : w.n+room])
		}
		c.posted[sending]++
		c.postSentLocked(room)
		w.n += room
	}
	if w.n == len(w.p) {
		return true
	}
	if c.tcp == nil && c.outstanding >= c.sim.window {
		c.postLocked(windowProbes, windowProbe)
	}
	return false
}

// roomLocked returns the number of bytes that can be written now. If it is at least
// wanted, it may be less than the actual number.
func (c *conn) roomLocked(wanted int) int {
	if m := c.tcp; m != nil {
		if c.room-c.fresh < wanted && !c.roomIsExact {
			c.room, c.roomIsExact = m.end.Room(m.pace.held), true
		}
		return max(0, c.room-c.fresh)
	}
	return c.sim.window - c.outstanding
}

// writeErrorLocked returns the error of a write, if any, with the precedence of a
// socket's errors.
func (c *conn) writeErrorLocked() error {
	switch {
	case c.isClosed():
		return net.ErrClosed
	case c.writeDeadline.hasPassedLocked():
		return os.ErrDeadlineExceeded
	case c.errno != 0 && c.errnoFor != theReader:
		return syscallError("write", c.takeErrnoLocked())
	case c.state.IsFinSent():
		return syscallError("write", syscall.EPIPE)
	}
	return nil
}

// CloseWrite ends the stream in this direction, after everything written.
func (c *conn) CloseWrite() error {
	c.sim.lock()
	defer c.sim.unlock()
	if err := c.shutdownErrorLocked(); err != nil {
		return err
	}
	c.finishLocked()
	c.goOnWritingLocked()
	return nil
}

// isOverLocked reports whether there is nothing left to close: the connection was
// reset, or both streams have ended.
func (c *conn) isOverLocked() bool {
	if c.tcp != nil {
		state := c.tcp.end.State()
		return c.isForgotten() || state == netem.TimeWait || state == netem.Closed && c.state.IsFinReceived()
	}
	return c.isForgotten() || c.state.IsFinReceived() && c.finishKnown > 0 && c.sim.now() >= c.finishKnown
}

// finishLocked sends the end of the stream, if it was not sent yet.
func (c *conn) finishLocked() {
	if c.state.IsFinSent() {
		return
	}
	c.finSent()
	c.postLocked(sending, finishing)
}

// finishNowLocked sends the end of the stream, after everything written. Only the loop
// calls it.
func (c *conn) finishNowLocked() {
	if c.tcp != nil {
		c.finishLoop()
		return
	}
	c.sendLocked(segment{do: c.peer.endLocked})
}

// postLocked posts an action of the connection to the network.
func (c *conn) postLocked(kind kind, what eventKind) {
	c.posted[kind]++
	c.sim.postLocked(action{key: c.key(kind), what: what, host: c.host, conn: c})
}

// postCallLocked is postLocked for rare actions.
func (c *conn) postCallLocked(kind kind, do func()) {
	c.posted[kind]++
	c.sim.postLocked(action{key: c.key(kind), host: c.host, do: do})
}

// key returns the key that orders the connection's next action.
func (c *conn) key(kind kind) key {
	return key{host: c.dialHost().number, conn: c.number, sequence: newSequence(c.side, kind, c.posted[kind])}
}

// sentLocked sends bytes that were written. A writer that waits for room continues
// after everything that arrives at this instant, or earlier if acknowledgements make
// room. Only the loop calls this and the following methods.
func (c *conn) sentLocked(n int) {
	full := c.fresh >= burst
	c.fresh -= n
	if c.tcp != nil {
		c.writtenLoop(n)
	} else {
		c.sendLocked(segment{n: n})
	}
	if full && c.writes.first != nil {
		if c.tcp != nil {
			c.sim.scheduleLocked(c.sim.instant, &event{what: goingOn, conn: c, host: c.host, n: int(c.tcp.bursts)})
			return
		}
		c.sim.callAtLocked(c.sim.now(), c.host, c.goOnWritingLocked)
	}
}

// sendLocked sends a segment after all others.
func (c *conn) sendLocked(s segment) {
	if c.hasCrashedLocked() || c.abandoned {
		return
	}
	c.out.push(s)
	c.sendDueLocked()
}

// sendDueLocked sends everything that can leave by now.
func (c *conn) sendDueLocked() {
	for c.out.len() > 0 && c.pathState != blocked && !c.hasCrashedLocked() {
		now := c.sim.instant
		c.updateLocked()
		if free := c.firstFlow().Free(); free > now {
			if c.leavingAt != free {
				c.leavingAt = free
				c.sim.scheduleLocked(free, &event{what: leaving, conn: c, host: c.host})
			}
			return
		}
		if !c.reachesPeerLocked() {
			c.dropLocked(c.out.first().n, c.whyUnreachableLocked())
			if c.endsInReset() {
				c.resetLostLocked()
				return
			}
			c.retryLocked(blocked)
			return
		}
		if !c.leaveLocked(now) {
			return
		}
		if !c.isReachedLocked() {
			c.retryLocked(returnBlocked)
		}
	}
}

// leaveLocked sends the next piece. It returns false if that was the last thing that
// the connection sends.
func (c *conn) leaveLocked(now time.Duration) bool {
	next := c.out.first()
	piece := c.firstFlow().Send(now, next.n)
	c.dropPieceLocked(&piece, c.left, c.upWhere())
	switch {
	case piece.Failed:
		c.abandonLocked()
		c.leftAsLocked(&piece, event{})
		return false
	case next.do != nil:
		c.leftAsLocked(&piece, event{do: next.do})
		if next.reset {
			c.forget()
		}
	default:
		if c.sim.trace.isTold() {
			if c.departed == nil {
				c.departed = &departures.Queue{}
			}
			c.departed.Leave(now, piece.Bytes)
		}
		c.leftAsLocked(&piece, event{what: arriving, n: piece.Bytes})
		next.n -= piece.Bytes
		c.left += int64(piece.Bytes)
		if !c.waitsBehindUp() {
			c.leftLocked(piece.Bytes)
		}
		if next.n > 0 {
			return true
		}
	}
	c.out.pop()
	return true
}

// leftLocked counts bytes that have left, and wakes a writer that waits for the queue.
func (c *conn) leftLocked(n int) {
	c.waiting -= n
	if ahead := c.ahead(); ahead > 0 && c.waiting < ahead && c.waiting+n >= ahead {
		c.sim.callAtLocked(c.sim.now(), c.host, c.goOnWritingLocked)
	}
}

// arriveAtLocked schedules an event for the peer.
func (c *conn) arriveAtLocked(at time.Duration, e event) {
	if c.crosses() {
		c.leaveFirstLocked(at, c.transitTo(e))
		return
	}
	e.conn, e.host, e.line = c.peer, c.far, &c.line
	c.sim.travelLocked(c.route, at, &e)
}

// updateLocked passes changes of the links to the flow.
func (c *conn) updateLocked() {
	if c.crosses() {
		c.setReturnsLocked()
		return
	}
	c.flow.SetReturn(c.back.link.Latency)
}

// reachesPeerLocked reports whether a packet sent now reaches the peer's host.
func (c *conn) reachesPeerLocked() bool { return !c.route.blocked && c.peer.isOpenLocked(false) }

// isReachedLocked reports whether a packet that the peer sends now reaches this end.
func (c *conn) isReachedLocked() bool { return !c.back.blocked && c.isOpenLocked(false) }

// isOpenLocked reports whether the host accepts packets for this end.
func (c *conn) isOpenLocked(request bool) bool {
	return !c.host.down && (len(c.host.rules) == 0 || !c.host.blackholesLocked(c.packetLocked(request)))
}

// packetLocked returns a packet for this end, in the form that rules match.
func (c *conn) packetLocked(request bool) packet {
	dialled := c
	if c.side == accepter {
		dialled = c.peer
	}
	return packet{from: c.far, family: familyOf(dialled.remote.Addr()), port: c.port(), request: request}
}

// whyUnreachableLocked says why the peer cannot be reached.
func (c *conn) whyUnreachableLocked() string {
	switch {
	case c.route.blocked:
		return "partition"
	case c.far.down:
		return "host is down"
	}
	return "black hole"
}

// unsentLocked returns the number of bytes that leave next, or 0 if there are none.
func (c *conn) unsentLocked() int {
	if c.out.len() == 0 {
		return 0
	}
	return c.out.first().n
}

// dropLocked records that the next n bytes, or something without bytes, do not reach
// the peer. They are retransmitted.
func (c *conn) dropLocked(n int, why string) { c.dropAtLocked(c.left, n, why) }

// dropAtLocked is dropLocked for bytes at an offset.
func (c *conn) dropAtLocked(offset int64, n int, why string) {
	c.sim.recordLocked(&trace.Event{Kind: trace.Drop, From: c.host.name, To: c.far.name, Conn: c.id(), Offset: offset, Length: n, Note: why})
}

// dropPieceLocked records the losses and the corruptions of a piece.
func (c *conn) dropPieceLocked(piece *netem.Piece, offset int64, where string) {
	if lost := piece.Sent - 1 - piece.Corrupted; lost > 0 {
		c.dropAtLocked(offset, piece.Bytes, times("lost", lost)+where)
	}
	if piece.Corrupted > 0 {
		c.dropAtLocked(offset, piece.Bytes, times("corrupted", piece.Corrupted)+where)
	}
}

func times(what string, n int) string {
	if n == 1 {
		return what
	}
	return fmt.Sprintf("%s %d times", what, n)
}

// endsInReset reports whether the last segment that waits to be sent is a reset.
func (o *idealSender) endsInReset() bool {
	waiting := o.out.waiting()
	return len(waiting) > 0 && waiting[len(waiting)-1].reset
}

// retryLocked retries, as TCP does, after the path was found not to work.
func (c *conn) retryLocked(found pathState) {
	if c.isForgotten() {
		return
	}
	isScheduled := c.pathState != working
	if c.pathState = max(c.pathState, found); isScheduled {
		return
	}
	again, goesOn := c.flow.Lose(c.sim.instant)
	c.sim.callAtLocked(again, c.host, func() {
		c.pathState = working
		switch {
		case c.isForgotten() || c.hasCrashedLocked():
			return
		case !goesOn:
			c.giveUpLocked(syscall.ETIMEDOUT)
			return
		case !c.reachesPeerLocked():
			c.dropLocked(c.unsentLocked(), c.whyUnreachableLocked())
			c.retryLocked(blocked)
		case !c.isReachedLocked():
			c.retryLocked(returnBlocked)
		default:
			c.flow.Recover()
		}
		c.sendDueLocked()
	})
}

// giveUpLocked resets this end when something was lost too often in a row, or was
// answered with a reset.
func (c *conn) giveUpLocked(errno syscall.Errno) {
	c.abandonLocked()
	if c.isClosed() || c.isForgotten() {
		c.forget()
		return
	}
	c.fail(errno)
	c.sim.recordLocked(&trace.Event{Kind: trace.Reset, From: c.far.name, To: c.host.name, Conn: c.id(), Note: errno.Error()})
	c.receiveResetLocked()
	if errno == syscall.ETIMEDOUT {
		c.leaveProbeUnansweredLocked()
	}
}

// abandonLocked stops sending.
func (c *conn) abandonLocked() {
	c.abandoned = true
	if c.tcp != nil {
		c.tcp.drop()
		c.updateUrgencyLoop()
		return
	}
	c.out.drop()
	c.waiting = 0
}

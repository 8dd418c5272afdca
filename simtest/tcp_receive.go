package simtest

import (
	"io"
	"net"
	"os"
	"syscall"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// Read reads bytes that have arrived, and waits if there are none.
func (c *conn) Read(p []byte) (int, error) {
	c.sim.mu.Lock()
	n, err := c.readOrWaitLocked(p)
	c.sim.mu.Unlock()
	if err != nil {
		err = c.opError("read", err)
	}
	return n, err
}

func (c *conn) readOrWaitLocked(p []byte) (n int, err error) {
	if !c.isClosed() && len(p) > 0 && c.readDeadline.hasPassedLocked() {
		return 0, os.ErrDeadlineExceeded
	}
	n, err, waits := c.readLocked(p)
	if !waits {
		return n, err
	}
	read, err := c.reads.waitLocked(&c.sim.transfers, &c.sim.mu, transfer{p: p})
	return read.n, err
}

// goOnReadingLocked lets waiting calls read the bytes that have arrived.
func (c *conn) goOnReadingLocked() {
	if c.readDeadline.hasPassedLocked() {
		c.reads.expireLocked()
	}
	for c.reads.first != nil {
		n, err, waits := c.readLocked(c.reads.first.call.p)
		if waits {
			return
		}
		c.reads.first.call.n = n
		c.reads.endFirstLocked(err)
	}
}

// TryRead reads bytes that have arrived, without waiting: if there are none, it returns
// syscall.EAGAIN. Deadlines do not apply.
func (c *conn) TryRead(p []byte) (int, error) {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	n, err, waits := c.readLocked(p)
	if waits {
		return 0, syscall.EAGAIN
	}
	return n, c.opError("read", err)
}

// readLocked reads without waiting, and reports whether the call must wait. The errors,
// and their order, are those of a socket.
func (c *conn) readLocked(p []byte) (n int, err error, waits bool) {
	switch {
	case c.isClosed():
		return 0, net.ErrClosed, false
	case len(p) == 0:
		return 0, nil, false
	}
	switch {
	case c.unread > 0:
		n = min(len(p), c.unread)
		c.stream.read(p[:n], &c.sim.spareRings)
		c.unread -= n
		if c.unread == 0 && c.dropped > 0 {
			c.stream.skip(c.dropped, &c.sim.spareRings)
			c.dropped = 0
		}
		c.tookLocked(n)
		return n, nil, false
	case c.errno != 0 && c.errnoFor != theWriter:
		return 0, syscallError("read", c.takeErrnoLocked()), false
	case c.state.IsFinReceived() || c.isForgotten() || c.usage == noReads:
		return 0, io.EOF, false
	}
	return 0, nil, true
}

// tookLocked counts bytes that were read, and sends a window update if the peer waits
// for one or half of the window is free.
func (c *conn) tookLocked(n int) {
	c.taken += n
	if c.tcp != nil {
		if c.taken == n && !c.tcp.delivering {
			c.postLocked(windowUpdates, bytesRead)
		}
		return
	}
	if c.taken >= c.sim.window/2 || c.windowProbed {
		c.postLocked(windowUpdates, bytesRead)
	}
}

// bytesReadLocked reports bytes that were read to the peer. Only the loop calls it.
func (c *conn) bytesReadLocked() {
	if c.tcp != nil {
		c.readLoop()
		return
	}
	c.scheduleWindowUpdateLocked()
}

// windowProbedLocked handles the peer's request for a window update.
func (c *conn) windowProbedLocked() {
	c.windowProbed = true
	if c.isClosed() || c.isForgotten() {
		c.leaveProbeUnansweredLocked()
		return
	}
	c.scheduleWindowUpdateLocked()
}

// leaveProbeUnansweredLocked leaves a peer that waits for a window update without an
// answer: the peer continues to probe until it is answered, as TCP does by its persist
// timer. Only the loop calls it.
func (c *conn) leaveProbeUnansweredLocked() {
	if c.windowProbed {
		c.windowProbed = false
		c.peer.unansweredLocked()
	}
}

// scheduleWindowUpdateLocked schedules a window update for the peer. It takes the
// link's latency, but needs no capacity. If the path does not work, the update is sent
// once it works again. Only the loop calls it.
func (c *conn) scheduleWindowUpdateLocked() {
	if c.taken == 0 || c.windowUpdateDue {
		return
	}
	c.windowUpdateDue = true
	c.sim.windowUpdates = append(c.sim.windowUpdates, c)
}

// sendWindowUpdatesLocked sends all window updates at the end of an instant, so that
// they cover everything read.
func (s *Sim) sendWindowUpdatesLocked() {
	for i, c := range s.windowUpdates {
		c.windowUpdateDue = false
		c.sendWindowUpdateLocked()
		s.windowUpdates[i] = nil
	}
	s.windowUpdates = s.windowUpdates[:0]
}

func (c *conn) sendWindowUpdateLocked() {
	taken := c.taken
	if c.hasCrashedLocked() {
		return
	}
	if !c.reachesPeerLocked() {
		c.windowProbed = true
		if c.isClosed() {
			c.leaveProbeUnansweredLocked()
		}
		return
	}
	c.taken, c.windowProbed = 0, false
	c.sim.travelLocked(c.route, timeline.Add(c.sim.now(), c.latency()), &event{what: windowUpdated, conn: c.peer, host: c.far, n: taken})
}

// arriveLocked handles the arrival of bytes. If they can no longer be read, the answer
// is a reset; if the host is down, there is none.
func (c *conn) arriveLocked(n int) {
	var e trace.Event
	arrived := c.arrivalLocked(&e, n)
	e.Took = c.peer.departed.Arrive(c.sim.instant, n)
	c.arrived += int64(n)
	switch {
	case c.isGoneLocked():
		e.Kind, e.Note = trace.Drop, "host is down"
		c.peer.unansweredLocked()
	case c.isForgotten():
		e.Kind, e.Note = trace.Drop, "connection was reset"
		c.refuseLocked()
	case c.isClosed():
		e.Kind, e.Note = trace.Drop, "connection is closed"
		c.refuseLocked()
	case c.isShut():
		e.Kind, e.Note = trace.Drop, "connection is shut down"
		c.giveUpLocked(syscall.ECONNRESET)
		c.refuseLocked()
	default:
		c.unread += n
		c.wakeReadersLocked()
	}
	switch {
	case e.Kind != trace.Drop:
	case c.unread > 0: // they can still be read, and come first in the stream
		c.dropped += n
	default:
		c.stream.skip(n, &c.sim.spareRings)
	}
	if c.sim.trace.recording != nil {
		c.sim.trace.arrived = arrived
	}
	c.sim.recordLocked(&e)
}

// arrivalLocked sets e to the trace event of n arriving bytes. It returns the bytes if
// they are recorded.
func (c *conn) arrivalLocked(e *trace.Event, n int) (arrived kept) {
	*e = trace.Event{} // a composite literal would be copied
	e.Kind, e.From, e.To = trace.Data, c.far.name, c.host.name
	e.Conn.Host, e.Conn.Network, e.Conn.Number = c.dialHost().name, network, c.number
	e.Offset, e.Length, e.Hash = c.arrived, n, c.stream.hash(c.unread+c.dropped, n)
	if c.sim.trace.needsBytes {
		return c.payloadLocked(e, n)
	}
	return kept{}
}

// payloadLocked sets the payload of e to the n arriving bytes. It returns them if they
// are recorded.
func (c *conn) payloadLocked(e *trace.Event, n int) (arrived kept) {
	t := &c.sim.trace
	first, second := c.stream.span(c.unread+c.dropped, n)
	e.Payload = payload(first, second, t.payloadsOf(c))
	if r := t.recording; r != nil {
		arrived = r.bytes(first, second, r.senders.streams[c])
	}
	return arrived
}

// endLocked handles the arrival of the end of the stream.
func (c *conn) endLocked() {
	if !c.hasCrashedLocked() {
		c.peer.finishKnown = max(1, timeline.Add(c.sim.now(), c.latency()))
	}
	switch {
	case c.isGoneLocked():
		c.peer.unansweredLocked()
	case c.hasCrashedLocked(), c.isForgotten():
		c.refuseLocked()
	case c.isClosed():
	default:
		c.sim.recordLocked(&trace.Event{Kind: trace.Close, From: c.far.name, To: c.host.name, Conn: c.id(), Offset: c.arrived})
		c.finReceived()
		c.wakeReadersLocked()
	}
}

// isGoneLocked reports whether nothing can answer for this end, because its host is
// down.
func (c *conn) isGoneLocked() bool { return c.hasCrashedLocked() && c.host.down }

// hasCrashedLocked reports whether the end has crashed with its host, and if so, stops
// it from sending: the host does not list ends that were closed before, which may still
// have something to send.
func (c *conn) hasCrashedLocked() bool {
	return c.isClosed() && c.stopsAfterCrashLocked()
}

// stopsAfterCrashLocked is hasCrashedLocked for an end that is closed.
func (c *conn) stopsAfterCrashLocked() bool {
	crashed := c.hasCrashed()
	if crashed && !c.abandoned {
		c.abandonLocked()
	}
	return crashed
}

// unansweredLocked handles the arrival of a segment at a host that does not answer. The
// segment is retransmitted until the host is up again; the host then does not know the
// connection, and resets it.
func (c *conn) unansweredLocked() {
	if c.isForgotten() || c.hasCrashedLocked() || c.probing {
		return
	}
	c.probing = true
	probe := segment{do: func() {
		c.probing = false
		if c.peer.isGoneLocked() {
			c.unansweredLocked()
			return
		}
		c.peer.refuseLocked()
	}}
	c.out.pushFirst(probe)
	c.retryLocked(returnBlocked)
}

// NotifyReadable sets a function that is called whenever something becomes readable:
// bytes, the end of the stream, or an error. If something is readable already, f is
// called at once. It may be called from any goroutine and must not block. A nil f
// removes the function.
func (c *conn) NotifyReadable(f func()) {
	c.sim.mu.Lock()
	defer c.sim.unlock()
	c.notify = f
	if c.unread > 0 || c.state.IsFinReceived() || c.isForgotten() || c.usage != inUse {
		c.wakeReadersLocked()
	}
}

// wakeReadersLocked wakes readers, and calls the notification.
func (c *conn) wakeReadersLocked() {
	c.sim.woken = c.sim.woken || c.isWaitedForLocked()
	if c.reads.first != nil {
		c.goOnReadingLocked()
	}
	if c.notify != nil {
		c.sim.notices = append(c.sim.notices, c.notify)
	}
}

// CloseRead makes Read return the end of the stream once everything that has arrived is
// read. Bytes that arrive later can still be read; but if CloseWrite was called too,
// they reset the connection, as on Linux.
func (c *conn) CloseRead() error {
	c.sim.lock()
	defer c.sim.unlock()
	if err := c.shutdownErrorLocked(); err != nil {
		return err
	}
	c.readsClosed()
	c.wakeReadersLocked()
	return nil
}

// shutdownErrorLocked returns an error if no direction of the connection can be closed
// by itself.
func (c *conn) shutdownErrorLocked() error {
	switch {
	case c.host.closesLocked(c, c.isClosed()):
		return c.opError("close", net.ErrClosed)
	case c.isOverLocked():
		return c.opError("close", syscallError("shutdown", syscall.ENOTCONN))
	}
	return nil
}

package netem

import "time"

// An End is one end of a TCP connection: it sends the bytes that the
// application writes, and receives the bytes of the other end.
//
// Times are durations since an origin of the caller's choice, the same for both
// ends, and must not decrease from call to call. After each call of a method
// that takes the time, call Output until it has nothing more to send, and call
// Expire at the time that Next returns.
//
// With thousands of connections the cost of an End is the memory that it
// touches, so the fields that most calls need come first, here and in its
// parts.
type End struct {
	state     State
	failure   Failure
	reset     bool // a reset is to be sent
	opening   opening
	keepAlive keepAliveState
	receive   receiver
	send      sender
}

// newEnd returns an end before the handshake.
func newEnd(tcp TCP, now time.Duration) *End {
	e := &End{}
	e.init(tcp, now)
	return e
}

func (e *End) init(tcp TCP, now time.Duration) {
	tcp.mustHaveEnds()
	*e = End{}
	e.opening.at = Never
	e.keepAlive = keepAliveState{config: tcp.KeepAlive.withDefaults(), timeout: tcp.UserTimeout, at: Never}
	e.send.init(tcp, now)
	e.receive.init(tcp, now)
}

// NewEnd returns an end of a connection that was established at the given time,
// by a handshake with the given round trip time. It is for drivers with a
// handshake of their own; see also [Dial] and [Accept]. All three panic on an
// invalid TCP (see [TCP.Validate]) and on [Unlimited].
func NewEnd(tcp TCP, now, roundTrip time.Duration) *End {
	e := newEnd(tcp, now)
	e.send.updateWindow(0, firstWindow)
	e.established(now, roundTrip)
	return e
}

// State returns the connection's state.
func (e *End) State() State { return e.state }

// Failure returns the reason if the connection has failed.
func (e *End) Failure() Failure { return e.failure }

// Write records that the application has written n bytes. It may be called
// during the handshake, but not after CloseWrite.
func (e *End) Write(now time.Duration, n int) {
	e.send.restartAfterIdle(now)
	e.send.written += int64(n)
}

// Read records that the application has read n of the bytes that have arrived.
func (e *End) Read(now time.Duration, n int) { e.receive.read(now, n) }

// CloseWrite records that the application will write no more: a FIN follows the
// bytes written so far.
func (e *End) CloseWrite() {
	e.send.fin = true
	e.state = e.state.AfterFinSent()
}

// Abort ends the connection at once, with a reset to the peer if the peer knows
// of the connection.
func (e *End) Abort() { e.fail(NotFailed) }

// fail ends the connection, with a reset to the peer.
func (e *End) fail(failure Failure) {
	e.reset = e.state != Closed && e.state != SynSent && e.state != TimeWait
	e.end(failure)
}

// Unread returns the number of bytes that have arrived in order and wait for
// Read.
func (e *End) Unread() int64 { return e.receive.unread() }

// Received returns the number of bytes that have arrived in order since the
// connection began.
func (e *End) Received() int64 { return e.receive.received() }

// Room returns the number of bytes that the application can write before it has
// to wait. ahead is the number of bytes that it has already written, but that
// have not been passed to Write yet.
func (e *End) Room(ahead int) int { return e.send.room(int64(ahead)) }

// RoomAtLeast returns a lower bound of Room. It is cheaper, as it needs no division. If
// it returns zero, only Room can tell whether there is room.
func (e *End) RoomAtLeast(ahead int) int { return e.send.roomAtLeast(int64(ahead)) }

// HasRoom reports whether an application that waits for room can continue: it
// can once a third of the buffer is free. ahead is as for Room.
func (e *End) HasRoom(ahead int) bool { return e.send.hasRoom(int64(ahead)) }

// SetReadBuffer sets the size of the receive buffer, as Linux's SO_RCVBUF does:
// to twice as many bytes, at least 2,304 and at most 8 MiB. A segment takes more
// of it than its payload. The buffer no longer grows. A window that has been
// advertised is not revoked.
func (e *End) SetReadBuffer(bytes int) { e.receive.buffer.set(bytes) }

// SetWriteBuffer sets the size of the send buffer, as Linux's SO_SNDBUF does:
// to twice as many bytes, at least 4,608 and at most 8 MiB. The buffer no
// longer grows.
func (e *End) SetWriteBuffer(bytes int) { e.send.buffer.set(bytes) }

// SetMTU sets the size of the largest packet on the path. It applies to new
// data, not to retransmissions.
func (e *End) SetMTU(mtu int) {
	e.send.mss = int64(max(1, mtu-HeaderSize))
	e.send.buffer.grow(e.send.window.size, e.send.mss)
}

// Ended reports whether the peer's FIN and all data before it have arrived.
func (e *End) Ended() bool { return e.receive.ended }

// Written returns the number of bytes that were written.
func (e *End) Written() int64 { return e.send.written }

// CongestionWindow returns the number of bytes that may be in flight,
// regardless of the peer's window.
func (e *End) CongestionWindow() int { return int(e.send.window.size) * int(e.send.mss) }

// Unacked returns the number of bytes that have been written and are not
// acknowledged.
func (e *End) Unacked() int64 { return max(0, e.send.written-e.send.una) }

// IsSettled reports whether everything written has been sent, including the end
// of the stream. It may still be in flight.
func (e *End) IsSettled() bool { return e.send.nxt == e.send.end() }

// IsAcknowledged reports whether everything written has been acknowledged.
func (e *End) IsAcknowledged() bool { return e.send.una == e.send.end() }

// Input takes a segment that arrives.
func (e *End) Input(now time.Duration, s *Segment) {
	if e.state == Closed {
		return // the driver answers with Refuse
	}
	e.keepAlive.heard(now)
	if (e.state.IsOpening() || s.Flags&(RST|SYN) != 0) && !e.inputControl(now, s) {
		return
	}
	e.receive.echo(s)
	e.send.acknowledge(now, s)
	switch {
	case s.Len > 0 || s.Flags&FIN != 0:
		e.receive.arrive(now, s, e.send.rtt.timeout())
	case s.Seq < e.receive.acked:
		e.receive.mustAck = true // it is a probe
	}
	if e.send.fin || e.receive.ended {
		e.ending(now)
	}
}

// ending makes the transitions of FINs that were acknowledged or have arrived.
func (e *End) ending(now time.Duration) {
	if e.send.finIsAcknowledged() {
		e.finAcknowledged(now)
	}
	if e.receive.ended {
		e.finReceived(now)
	}
}

// inputControl processes a segment that arrives during the handshake, or that resets or
// opens a connection. It reports whether the segment needs further processing.
func (e *End) inputControl(now time.Duration, s *Segment) bool {
	if e.state.IsOpening() && !e.inputOpening(now, s) {
		return false
	}
	switch {
	case s.Flags&RST != 0 && s.Seq == notInWindow:
		return false
	case s.Flags&RST != 0:
		e.end(Reset)
		return false
	case s.Flags&SYN != 0:
		e.receive.mustAck = true // our acknowledgement of it was lost
		return false
	}
	return true
}

// IsQuiet reports whether Output would send nothing and change nothing, as far as that can
// be told quickly: false means that it may.
func (e *End) IsQuiet() bool {
	s := &e.send
	return e.state == Established && !e.receive.mustAck && s.nxt == s.written && !s.sentNew && !s.fin &&
		!s.probe.due && !s.windowProbeDue && s.queue.lost == 0 && s.persist == Never
}

// Output returns the next segment to be sent, and whether there is one.
func (e *End) Output(now time.Duration) (s Segment, ok bool) {
	ok = e.OutputTo(&s, now)
	return s, ok
}

// OutputTo is like Output, but stores the segment in s.
func (e *End) OutputTo(s *Segment, now time.Duration) bool {
	if e.reset || e.state < Established {
		return e.outputControl(s, now)
	}
	if e.send.isIdle() || !e.send.next(now, s) {
		e.send.settle(now)
		if !e.receive.mustAck {
			return false
		}
		*s = Segment{} // a composite literal would be copied
		s.Seq = e.send.nxt
	}
	s.Flags |= ACK
	s.TSVal = now
	e.receive.acknowledge(now, s)
	return true
}

// outputControl is OutputTo for a reset, during the handshake, and after the end.
func (e *End) outputControl(s *Segment, now time.Duration) (ok bool) {
	switch {
	case e.reset:
		e.reset = false
		*s = Segment{Flags: RST | ACK, Seq: e.send.nxt, Ack: e.receive.next}
		return true
	case e.state == Closed:
		return false
	}
	*s, ok = e.nextSyn(now)
	return ok
}

// Next returns the time at which Expire must be called, or [Never].
func (e *End) Next() time.Duration { return min(e.NextBusy(), e.NextProbe()) }

// NextBusy is Next without keep-alive probes. A driver that knows that they
// would be answered need not send them; see [Idle].
func (e *End) NextBusy() time.Duration {
	if e.state == Closed {
		return Never
	}
	return min(e.opening.at, e.send.timer(), e.receive.ackAt)
}

// NextProbe returns the time at which the keep-alive timer expires, or [Never].
func (e *End) NextProbe() time.Duration {
	if e.state == Closed {
		return Never
	}
	return e.keepAlive.at
}

// Expire handles the timers that are due at the given time, if any.
func (e *End) Expire(now time.Duration) {
	if e.state == Closed {
		return
	}
	if e.opening.at <= now {
		e.expireOpening(now)
	}
	if e.keepAlive.at <= now {
		e.expireAlive(now)
	}
	e.receive.expire(now)
	if e.send.timer() <= now && !e.send.expire(now, e.keepAlive.timeout) {
		e.fail(TimedOut)
	}
}

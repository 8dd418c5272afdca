package netem

import "time"

// An End is one end of a TCP connection: it sends what the application writes,
// and receives what the other end sends.
//
// Times are durations since an origin of the caller's choice, the same for both
// ends, and must not decrease from call to call. After each call of a method
// that takes the time, Output has to be called until it has nothing more to
// send, and Expire at the time that Next returns.
//
// With thousands of connections what an End costs is the memory that it touches: so
// what most calls need comes first, here and in what it consists of.
type End struct {
	state     State
	failure   Failure
	reset     bool // one is to be sent
	opening   opening
	keepAlive keepAliveState
	receive   receiver
	send      sender
}

// newEnd returns an end before its handshake.
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
// by a handshake with the given round trip time. It is for drivers that have a
// handshake of their own; see [Dial] and [Accept]. All of these panic on an invalid
// TCP, see [TCP.Validate], and on one that is [Unlimited].
func NewEnd(tcp TCP, now, roundTrip time.Duration) *End {
	e := newEnd(tcp, now)
	e.send.updateWindow(0, firstWindow)
	e.established(now, roundTrip)
	return e
}

// State returns the connection's state.
func (e *End) State() State { return e.state }

// Failure returns why the connection has ended, if it has failed.
func (e *End) Failure() Failure { return e.failure }

// Write notes that the application has written n bytes. It may do so during the
// handshake, and not after CloseWrite.
func (e *End) Write(now time.Duration, n int) {
	e.send.restartAfterIdle(now)
	e.send.written += int64(n)
}

// Read notes that the application has read n of the bytes that have arrived.
func (e *End) Read(now time.Duration, n int) { e.receive.read(now, n) }

// CloseWrite notes that the application will write no more: a FIN follows the
// bytes it has written.
func (e *End) CloseWrite() {
	e.send.fin = true
	e.state = e.state.AfterFinSent()
}

// Abort ends the connection at once, with a reset to the peer if it has heard of
// it.
func (e *End) Abort() { e.fail(NotFailed) }

// fail ends the connection, with a reset to the peer.
func (e *End) fail(failure Failure) {
	e.reset = e.state != Closed && e.state != SynSent && e.state != TimeWait
	e.end(failure)
}

// Unread returns how many bytes have arrived in order and wait for Read.
func (e *End) Unread() int64 { return e.receive.unread() }

// Received returns how many bytes have arrived in order since the connection
// began.
func (e *End) Received() int64 { return e.receive.received() }

// Room returns how many bytes the application can write before it has to wait, if
// it has written so many already that Write was not told of.
func (e *End) Room(ahead int) int { return e.send.room(int64(ahead)) }

// HasRoom reports whether an application that waits for room goes on writing: it
// does when a third of the buffer is free.
func (e *End) HasRoom(ahead int) bool { return e.send.hasRoom(int64(ahead)) }

// SetReadBuffer sets the size of the buffer for what has arrived, as Linux's
// SO_RCVBUF does: it has twice as many bytes, 2,304 at least and 8 MiB at most,
// of which segments take more than their payload, and grows no more. A window that
// has been offered is not taken back.
func (e *End) SetReadBuffer(bytes int) { e.receive.buffer.set(bytes) }

// SetWriteBuffer sets the size of the buffer for what was written and is not
// acknowledged, as Linux's SO_SNDBUF does: it has twice as many bytes, 4,608 at least and
// 8 MiB at most, and grows no more.
func (e *End) SetWriteBuffer(bytes int) { e.send.buffer.set(bytes) }

// SetMTU sets the size of the largest packet on the path, for what is sent for the
// first time from now on.
func (e *End) SetMTU(mtu int) {
	e.send.mss = int64(max(1, mtu-HeaderSize))
	e.send.buffer.grow(e.send.window.size, e.send.mss)
}

// Ended reports whether the peer's FIN has arrived, and all data before it.
func (e *End) Ended() bool { return e.receive.ended }

// Written returns how many bytes were written.
func (e *End) Written() int64 { return e.send.written }

// CongestionWindow returns how many bytes may be in flight at most, whatever window the
// peer announces.
func (e *End) CongestionWindow() int { return int(e.send.window.size) * int(e.send.mss) }

// Unacked returns how many bytes have been written and are not acknowledged.
func (e *End) Unacked() int64 { return max(0, e.send.written-e.send.una) }

// IsSettled reports whether all that was written has been sent, the end of the stream
// too. It may still be on its way.
func (e *End) IsSettled() bool { return e.send.nxt == e.send.end() }

// IsAcknowledged reports whether all that was written has been acknowledged.
func (e *End) IsAcknowledged() bool { return e.send.una == e.send.end() }

// Input takes a segment that arrives.
func (e *End) Input(now time.Duration, s *Segment) {
	if e.state == Closed {
		return // the driver answers with Refuse
	}
	e.keepAlive.heard(now)
	if e.state.IsOpening() && !e.inputOpening(now, s) {
		return
	}
	switch {
	case s.Flags&RST != 0 && s.Seq == notInWindow:
		return
	case s.Flags&RST != 0:
		e.end(Reset)
		return
	case s.Flags&SYN != 0:
		e.receive.mustAck = true // our acknowledgement of it was lost
		return
	}
	e.receive.echo(s)
	e.send.acknowledge(now, s)
	if e.send.finIsAcknowledged() {
		e.finAcknowledged(now)
	}
	switch {
	case s.Len > 0 || s.Flags&FIN != 0:
		e.receive.arrive(now, s, e.send.rtt.timeout())
	case s.Seq < e.receive.acked:
		e.receive.mustAck = true // a probe
	}
	if e.receive.ended {
		e.finReceived(now)
	}
}

// Output returns the next segment to be sent, and whether there is one.
func (e *End) Output(now time.Duration) (s Segment, ok bool) {
	ok = e.OutputTo(&s, now)
	return s, ok
}

// OutputTo is Output into a segment.
func (e *End) OutputTo(s *Segment, now time.Duration) bool {
	switch {
	case e.reset:
		e.reset = false
		*s = Segment{Flags: RST | ACK, Seq: e.send.nxt, Ack: e.receive.next}
		return true
	case e.state == Closed:
		return false
	case e.state.IsOpening():
		var ok bool
		*s, ok = e.nextSyn(now)
		return ok
	}
	if e.send.isIdle() || !e.send.next(now, s) {
		e.send.settle(now)
		if !e.receive.mustAck {
			return false
		}
		*s = Segment{Seq: e.send.nxt}
	}
	s.Flags |= ACK
	s.TSVal = now
	e.receive.acknowledge(now, s)
	return true
}

// Next returns when Expire has to be called, or [Never].
func (e *End) Next() time.Duration { return min(e.NextBusy(), e.NextProbe()) }

// NextBusy is Next without the probes of a silent peer. A driver that knows that
// they would be answered needs to send none; see [Idle].
func (e *End) NextBusy() time.Duration {
	if e.state == Closed {
		return Never
	}
	return min(e.opening.at, e.send.timer(), e.receive.ackAt)
}

// NextProbe returns when it has to be looked whether a silent peer is to be probed,
// or [Never].
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
	e.expireOpening(now)
	e.expireAlive(now)
	e.receive.expire(now)
	if !e.send.expire(now, e.keepAlive.timeout) {
		e.fail(TimedOut)
	}
}

package netem

import "time"

// An End is one end of an established TCP connection: it sends what the
// application writes, and receives what the other end sends.
//
// Times are durations since an origin of the caller's choice, the same for both
// ends, and must not decrease from call to call. After each call of a method
// that takes the time, Output has to be called until it has nothing more to
// send, and Expire at the time that Next returns.
type End struct {
	send    sender
	receive receiver
}

// NewEnd returns an end of a connection that was established at the given time,
// by a handshake whose round trip took so long.
func NewEnd(tcp TCP, now, roundTrip time.Duration) *End {
	e := &End{}
	e.send.init(tcp, now, roundTrip)
	e.receive.init(now)
	return e
}

// Write says that the application has written n bytes.
func (e *End) Write(now time.Duration, n int) {
	e.send.restartAfterIdle(now)
	e.send.written += int64(n)
}

// Read says that the application has read n bytes of those that have arrived.
func (e *End) Read(now time.Duration, n int) { e.receive.read(now, n) }

// Unread returns how many bytes have arrived in order and wait for Read.
func (e *End) Unread() int64 { return e.receive.next - e.receive.consumed }

// Unacked returns how many bytes have been written and are not acknowledged.
func (e *End) Unacked() int64 { return e.send.written - e.send.una }

// Input takes a segment that arrives.
func (e *End) Input(now time.Duration, s *Segment) {
	e.receive.echo(s)
	e.send.acknowledge(now, s)
	switch {
	case s.Len > 0:
		e.receive.arrive(now, s, e.send.rtt.timeout())
	case s.Seq < e.receive.acked:
		e.receive.mustAck = true // it asks for the window
	}
}

// Output returns the next segment to be sent, and whether there is one.
func (e *End) Output(now time.Duration) (Segment, bool) {
	seq, n, ok := e.send.next(now)
	if !ok {
		e.send.settle(now)
		if !e.receive.mustAck {
			return Segment{}, false
		}
		seq, n = e.send.nxt, 0
	}
	s := Segment{Seq: seq, Len: n, TSVal: now}
	e.receive.acknowledge(now, &s)
	return s, true
}

// Next returns when Expire has to be called, or [Never].
func (e *End) Next() time.Duration { return min(e.send.timer(), e.receive.ackAt) }

// Expire does what is due at the given time, if anything is.
func (e *End) Expire(now time.Duration) {
	e.receive.expire(now)
	e.send.expire(now)
}

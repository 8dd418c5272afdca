package netem

import (
	"slices"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// dupThresh is the number of later packets that must arrive before the sender
// considers a packet lost: the three duplicate acknowledgements of RFC 5681.
const dupThresh = 3

// retransmissions is a flow's retransmission state.
type retransmissions struct {
	timer  retransmitter
	outage outage

	latest     time.Duration // arrival time of the last packet that was not lost
	delivered  uint64        // counts packets that were not lost
	undetected []*lostPacket // packets followed by too few others so far, in the order of sending
	timed      []*lostPacket // packets whose timers run, by expiry
	pending    []arrival     // pieces with an unknown arrival time, in the order of sending
}

// An arrival is the arrival time of a piece, regardless of the pieces before
// it.
type arrival struct {
	at   time.Duration
	lost *lostPacket // nil if it was not lost; otherwise it replaces at
}

// A lostPacket waits to be retransmitted.
type lostPacket struct {
	leave         time.Duration // time at which it first left
	serialization time.Duration // of each transmission
	delay         time.Duration // of the transmission that arrives
	resends       int           // number of its retransmissions
	failed        bool          // all retransmissions are lost too

	timeout time.Duration // the timer's timeout when it left
	learned uint64        // the number of measured round trips then
	expires time.Duration // time at which the timer expires
	need    uint64        // the count of delivered packets at which the sender detects the loss
	known   bool          // the time of the retransmission is known
	at      time.Duration // time at which it then arrives, or is given up
}

// lose adds a lost packet, which is retransmitted once its loss is detected.
func (r *retransmissions) lose(p *lostPacket) *lostPacket {
	p.timeout, p.learned = r.timer.wait(), r.timer.learned
	p.expires = timeline.Add(p.leave, p.timeout)
	p.need = r.delivered + dupThresh
	r.undetected = append(r.undetected, p)
	i := len(r.timed)
	for i > 0 && r.timed[i-1].expires > p.expires {
		i--
	}
	r.timed = slices.Insert(r.timed, i, p)
	return p
}

// deliver records that a packet arrives, which the sender learns after the
// latency of the return path. Packets that are not lost keep their order.
func (r *retransmissions) deliver(at, back time.Duration) {
	r.delivered++
	r.latest = max(r.latest, at)
	for len(r.undetected) > 0 && r.undetected[0].need <= r.delivered {
		p := r.undetected[0]
		r.undetected = r.undetected[1:]
		if heard := timeline.Add(r.latest, back); !p.known && heard < p.expires {
			p.resend(&r.timer, heard, p.timeout)
		}
	}
}

// learn processes the events up to now: round trips that ended, and timers that
// expired.
func (r *retransmissions) learn(now time.Duration) {
	for len(r.timed) > 0 && r.timed[0].expires <= now {
		p := r.timed[0]
		r.timed = r.timed[1:]
		if p.known {
			continue
		}
		r.timer.learn(p.expires)
		timeout := min(2*p.timeout, maxIdealTimeout)
		if p.learned == r.timer.learned { // else the timeout has been recomputed since
			r.timer.backOff(p.expires, timeout)
		}
		p.resend(&r.timer, p.expires, timeout)
	}
	r.timer.learn(now)
}

// resend computes the time at which a packet that is retransmitted at the given
// time arrives or is given up. If the retransmission is lost, the timer sends
// it again after the timeout.
func (p *lostPacket) resend(timer *retransmitter, at, timeout time.Duration) {
	sent := p.resends
	if p.failed {
		sent++ // one more loss than there are retransmissions
	}
	for range sent - 1 {
		at = timeline.Add(timeline.Add(at, p.serialization), timeout)
		timeout = min(2*timeout, maxIdealTimeout)
		timer.backOff(at, timeout)
	}
	if !p.failed {
		at = timeline.Add(timeline.Add(at, p.serialization), p.delay)
	}
	p.at, p.known = at, true
}

// arrive sets the arrival time of a piece, or marks the piece as pending.
func (f *Flow) arrive(piece *Piece, a arrival) {
	if f.retransmissions != nil && (a.lost != nil || len(f.retransmissions.pending) > 0) {
		f.retransmissions.pending = append(f.retransmissions.pending, a)
		piece.Arrive, piece.Pending = Never, true
		return
	}
	f.arrived = max(f.arrived, a.at)
	piece.Arrive = f.arrived
}

// Step returns the arrival time of the first Pending piece, in the order of
// sending, if it is known by now; a piece that has Failed is given up at that
// time. A driver calls Step after each Send until it returns false, and at the
// time that [Flow.Next] returns. If it is called late, the returned time may
// lie in the past.
//
// The time is known as soon as three later packets have been sent and not lost,
// or the timer has expired. A late call changes nothing, as long as no bytes
// are sent after the call that should have been sent before it.
func (f *Flow) Step(now time.Duration) (arrive time.Duration, ok bool) {
	if f.retransmissions == nil || len(f.retransmissions.pending) == 0 {
		return 0, false
	}
	f.retransmissions.learn(now)
	first := f.retransmissions.pending[0]
	if p := first.lost; p != nil {
		if !p.known {
			return 0, false
		}
		first.at = p.at
	}
	if f.retransmissions.pending = f.retransmissions.pending[1:]; len(f.retransmissions.pending) == 0 {
		f.retransmissions.pending = nil
	}
	f.arrived = max(f.arrived, first.at)
	return f.arrived, true
}

// Next returns the time at which [Flow.Step] may return more even if nothing is
// sent, or [Never]. A time in the past means now.
func (f *Flow) Next() time.Duration {
	switch {
	case f.retransmissions == nil || len(f.retransmissions.pending) == 0:
		return Never
	case f.retransmissions.pending[0].lost == nil || f.retransmissions.pending[0].lost.known:
		return 0
	}
	return f.retransmissions.pending[0].lost.expires
}

package netem

import (
	"slices"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// dupThresh is how many later packets have to arrive until the sender takes
// one for lost: the three duplicate acknowledgements of RFC 5681.
const dupThresh = 3

// retransmissions is what a flow knows of its retransmissions.
type retransmissions struct {
	timer  retransmitter
	outage outage

	latest     time.Duration // when the last packet arrives of those that were not lost
	delivered  uint64        // counts them
	undetected []*lostPacket // that too few later packets follow so far, in the order of sending
	timed      []*lostPacket // whose timers run, the first to expire first
	pending    []arrival     // of pieces of which it is not known, in the order of sending
}

// An arrival is when a piece arrives but for those before it.
type arrival struct {
	at   time.Duration
	lost *lostPacket // nil if it was not lost; else it counts instead of at
}

// A lostPacket waits to be retransmitted.
type lostPacket struct {
	leave         time.Duration // when it left first
	serialization time.Duration // how long it takes to pass each time
	delay         time.Duration // how long it is under way when it arrives at last
	resends       int           // how often it is sent again
	failed        bool          // in vain

	timeout time.Duration // the timer's, when it left
	learned uint64        // by how many round trips
	expires time.Duration // when the timer expires
	need    uint64        // how many packets are delivered when the sender hears of it
	known   bool          // when it is sent again
	at      time.Duration // when it arrives then, or is given up
}

// lose begins to wait for what makes the sender retransmit a packet that has left.
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

// deliver notes that a packet arrives, of which the sender hears after the latency
// of the way back. Packets that are not lost keep their order.
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

// learn takes in what has happened by now: round trips that have ended, and timers
// that have expired.
func (r *retransmissions) learn(now time.Duration) {
	for len(r.timed) > 0 && r.timed[0].expires <= now {
		p := r.timed[0]
		r.timed = r.timed[1:]
		if p.known {
			continue
		}
		r.timer.learn(p.expires)
		timeout := min(2*p.timeout, maxIdealTimeout)
		if p.learned == r.timer.learned { // else the time-out has been set anew since
			r.timer.backOff(p.expires, timeout)
		}
		p.resend(&r.timer, p.expires, timeout)
	}
	r.timer.learn(now)
}

// resend decides when the packet arrives that is sent again at a time, or is given
// up. If that is lost, it is sent again by the timer, which is so long.
func (p *lostPacket) resend(timer *retransmitter, at, timeout time.Duration) {
	sent := p.resends
	if p.failed {
		sent++ // it is lost once more than it is sent again
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

// arrive says when a piece arrives, or that it is not known.
func (f *Flow) arrive(piece *Piece, a arrival) {
	if f.retransmissions != nil && (a.lost != nil || len(f.retransmissions.pending) > 0) {
		f.retransmissions.pending = append(f.retransmissions.pending, a)
		piece.Arrive, piece.Pending = Never, true
		return
	}
	f.arrived = max(f.arrived, a.at)
	piece.Arrive = f.arrived
}

// Step returns when the first of the pieces arrives that were Pending, in the order
// of sending, if that is known by now; a piece that has Failed is given up then. A
// driver calls it after each Send, until it returns false, and when [Flow.Next]
// says so. What it returns may lie in the past, if it is called late.
//
// It is known as soon as three later packets are sent that are not lost, or the
// timer expires. How late it is called changes nothing, as long as nothing is sent
// afterwards that would have been sent before.
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

// Next returns when [Flow.Step] knows more, though nothing is sent: at once, if that
// lies in the past, or [Never].
func (f *Flow) Next() time.Duration {
	switch {
	case f.retransmissions == nil || len(f.retransmissions.pending) == 0:
		return Never
	case f.retransmissions.pending[0].lost == nil || f.retransmissions.pending[0].lost.known:
		return 0
	}
	return f.retransmissions.pending[0].lost.expires
}

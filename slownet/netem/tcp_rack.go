package netem

import "time"

// A rack is the state of RACK (RFC 8985): a segment is lost when one that was
// sent later has arrived and the time that reordering may take has passed.
type rack struct {
	at           time.Duration // when a segment will be lost, or Never
	sent         time.Duration // of the segment sent last among those that arrived
	seq          int64         // its sequence number
	roundTrip    time.Duration // its round trip
	reorderSteps *reorderSteps // nil before a segment was retransmitted needlessly
	reordered    bool          // reordering was seen
}

func (r *rack) init() { r.seq, r.at = -1, Never }

// A reorderSteps is how much time reordering may take.
type reorderSteps struct {
	steps     int   // quarters of the shortest round trip
	persist   int   // recoveries until steps is 1 again
	stepRound int64 // steps grows once a round trip: not below this sequence number
}

// duplicated notes that a segment was retransmitted needlessly.
func (r *rack) duplicated(seq, nxt int64) {
	r.reordered = true
	if r.reorderSteps == nil {
		r.reorderSteps = &reorderSteps{steps: 1}
	}
	if p := r.reorderSteps; seq >= p.stepRound {
		p.steps = min(255, p.steps+1)
		p.persist = 16
		p.stepRound = nxt
	}
}

// recovered notes that a recovery is over.
func (r *rack) recovered() {
	p := r.reorderSteps
	if p == nil {
		return
	}
	if p.persist--; p.persist <= 0 {
		p.steps = 1
	}
}

// steps returns how many quarters of the shortest round trip reordering may take.
func (r *rack) steps() int {
	if r.reorderSteps == nil {
		return 1
	}
	return r.reorderSteps.steps
}

// arrived notes a segment that has arrived.
func (r *rack) arrived(now time.Duration, s *sentSegment, shortest time.Duration) {
	d := now - s.sent
	if s.again && (d < shortest || d == 0) {
		return // the first transmission has arrived, or it cannot be told which
	}
	if s.sent > r.sent || s.sent == r.sent && s.seq > r.seq {
		r.sent, r.seq, r.roundTrip = s.sent, s.seq, d
	}
}

// timerSlack is added to the timer, as in Linux.
const timerSlack = 2 * time.Millisecond

// detect marks segments as lost and returns how many.
func (s *sender) detect(now time.Duration) (lost int) {
	r := &s.rack
	r.at = Never
	if r.seq < 0 {
		return 0
	}
	window := s.reorderingWindow()
	for number := s.queue.oldest; number != none; {
		segment := s.queue.at(number)
		next := segment.newer
		if segment.sent > r.sent || segment.sent == r.sent && segment.seq >= r.seq {
			break
		}
		if segment.again && segment.sent == now {
			number = next // on a path that takes no time nobody can tell
			continue
		}
		if left := segment.sent + r.roundTrip + window - now; left <= 0 {
			s.queue.lose(number)
			lost++
		} else if at := now + left + timerSlack; r.at == Never || at > r.at {
			r.at = at
		}
		number = next
	}
	return lost
}

// reorderingWindow returns how late a segment may be.
func (s *sender) reorderingWindow() time.Duration {
	if !s.rack.reordered && (s.recovery != open || s.queue.sacked >= 3) {
		return 0
	}
	return min(s.rtt.min/4*time.Duration(s.rack.steps()), s.rtt.smoothed)
}

// A lossProbe is the state of tail loss probes: when the last segments get no
// answer for two round trips, one is sent so that the answer shows which were
// lost.
type lossProbe struct {
	at     time.Duration // when one is due, or Never
	end    int64         // nxt when the last one was sent, until it is answered; else 0
	due    bool
	resent bool // it was not a new segment
}

func (s *sender) scheduleProbe(now time.Duration) {
	s.probe.at = Never
	if s.queue.len() == 0 || s.recovery != open || s.queue.sacked > 0 || s.probe.end != 0 {
		return
	}
	wait := 2*s.rtt.smoothed + timerSlack
	if s.queue.len() == 1 {
		wait += minTimeout - timerSlack // the acknowledgement may be delayed
	}
	s.probe.at = min(now+wait, s.retransmit)
}

func (s *sender) sendProbe(now time.Duration, segment *Segment) bool {
	s.probe.due = false
	if s.queue.len() == 0 {
		return s.next(now, segment)
	}
	if s.probe.resent = !s.canSendNew(); s.probe.resent {
		*segment = s.resend(now, s.queue.last-1)
	} else {
		*segment = s.sendNew(now, s.payload())
	}
	s.sentNew = false
	s.probe.end = s.nxt
	s.retransmit = now + s.rtt.timeout()
	return true
}

// probeAnswered takes in an acknowledgement while a probe has no answer.
func (s *sender) probeAnswered(ack int64, duplicate, progress bool) {
	p := &s.probe
	if p.end == 0 || ack < p.end {
		return
	}
	switch {
	case !p.resent, duplicate, !progress && ack == p.end:
		p.end = 0 // nothing was lost
	case ack > p.end && s.recovery == open:
		p.end = 0 // the probe has repaired a loss
		s.window.reduce()
		s.window.size = min(s.window.size, s.window.threshold)
	case ack > p.end:
		p.end = 0
	}
}

package netem

import "time"

// A rack is the state of RACK (RFC 8985): a segment is considered lost when a
// segment that was sent later has arrived and the reordering window has passed.
type rack struct {
	at           time.Duration // time at which the next segment will be considered lost, or Never
	sent         time.Duration // transmission time of the most recently sent segment that has arrived
	seq          int64         // its sequence number
	roundTrip    time.Duration // of the segment that arrived last
	reorderSteps *reorderSteps // nil until a segment was retransmitted spuriously
	reordered    bool          // reordering has been observed
}

func (r *rack) init() { r.seq, r.at = -1, Never }

// reorderSteps is the size of the reordering window.
type reorderSteps struct {
	steps     int   // quarters of the shortest round trip
	persist   int   // recoveries before steps is reset to 1
	stepRound int64 // steps grows once per round trip: not for segments below this sequence number
}

// duplicated records that a segment was retransmitted spuriously. The reordering window
// grows, but only where reordering has been observed.
func (r *rack) duplicated(seq, nxt int64) {
	if !r.reordered {
		return
	}
	if r.reorderSteps == nil {
		r.reorderSteps = &reorderSteps{steps: 1}
	}
	if p := r.reorderSteps; seq >= p.stepRound {
		p.steps = min(255, p.steps+1)
		p.persist = 16
		p.stepRound = nxt
	}
}

// recovered records the end of a recovery.
func (r *rack) recovered() {
	p := r.reorderSteps
	if p == nil {
		return
	}
	if p.persist--; p.persist <= 0 {
		p.steps = 1
	}
}

// steps returns the reordering window in quarters of the shortest round trip.
func (r *rack) steps() int {
	if r.reorderSteps == nil {
		return 1
	}
	return r.reorderSteps.steps
}

// arrived processes a segment that has arrived.
func (r *rack) arrived(now time.Duration, s *sentSegment, shortest time.Duration) {
	d := now - s.sent
	if s.again && (d < shortest || d == 0) {
		return // an earlier transmission has arrived, or it is unknown which one
	}
	r.roundTrip = d
	if s.sent > r.sent || s.sent == r.sent && s.seq > r.seq {
		r.sent, r.seq = s.sent, s.seq
	}
}

// timerSlack is added to the timer, as in Linux.
const timerSlack = 2 * time.Millisecond

// detect marks segments as lost and returns their number.
func (s *sender) detect(now time.Duration) (lost int) {
	r := &s.rack
	r.at = Never
	if r.seq < 0 || s.queue.oldest == none {
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
			number = next // on a path without delay, it is unknown whether this one is lost
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

// reorderingWindow returns the time that a segment may be late without being
// considered lost.
func (s *sender) reorderingWindow() time.Duration {
	if !s.rack.reordered && (s.recovery != open || s.queue.sacked >= 3) {
		return 0
	}
	return min(s.rtt.min/4*time.Duration(s.rack.steps()), s.rtt.smoothed)
}

// A lossProbe is the state of tail loss probes: when the last segments are not
// acknowledged for two round trips, a probe is sent, whose acknowledgement
// shows which segments were lost.
type lossProbe struct {
	at     time.Duration // time at which a probe is due, or Never
	end    int64         // nxt when the last probe was sent, until it is answered; otherwise 0
	due    bool
	resent bool // the probe was a retransmission
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
		s.sendNew(now, s.payload(), segment)
	}
	s.sentNew = false
	s.probe.end = s.nxt
	s.retransmit = now + s.rtt.timeout()
	return true
}

// probeAnswered processes an acknowledgement while a probe is outstanding, and whether it
// reports the probe as a duplicate.
func (s *sender) probeAnswered(ack int64, isDuplicate, progress bool) {
	p := &s.probe
	if p.end == 0 || ack < p.end {
		return
	}
	switch {
	case !p.resent, isDuplicate, !progress && ack == p.end:
		p.end = 0 // nothing was lost
	case ack > p.end:
		p.end = 0 // the probe has repaired a loss
		if s.episode != nil {
			s.episode.window = s.window.size // an earlier reduction is undone up to here
		}
		s.window.reduce()
		s.window.size = min(s.window.size, s.window.threshold)
	}
}

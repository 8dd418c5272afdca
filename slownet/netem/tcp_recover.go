package netem

import "time"

// A recoveryState is the sender's state of loss recovery.
type recoveryState uint8

const (
	open       recoveryState = iota // nothing is known to be lost
	recovering                      // fast recovery: acknowledgements have revealed losses
	inLoss                          // the retransmission timer has expired
)

// An episode is one reduction of the window and the recovery from the losses that caused
// it. A sender has none until its first loss.
type episode struct {
	undo
	end int64 // recovery ends when everything below this sequence number is acknowledged

	// Proportional rate reduction, RFC 6937. undo.window is the window before it.
	sent      int
	delivered int
}

// resent records a retransmission.
func (e *episode) resent(now time.Duration) {
	e.sent++
	e.retransmits++
	if e.firstResent == 0 {
		e.firstResent = now
	}
}

// beginEpisode begins an episode.
func (s *sender) beginEpisode() {
	if s.episode == nil {
		s.episode = &episode{}
	}
	*s.episode = episode{undo: s.undoable(), end: s.nxt}
	s.window.reduce()
}

// firstResent returns the time of the first retransmission that was sent in the current
// episode or in flight when it began, or now if there was none yet.
func (s *sender) firstResent(now time.Duration) time.Duration {
	if s.recovery == open || s.episode.firstResent == 0 {
		return now
	}
	return s.episode.firstResent
}

// forgetFirstResent forgets the time of the first retransmission if none is in flight.
func (s *sender) forgetFirstResent() {
	if s.episode != nil && !s.queue.hasResent() {
		s.episode.firstResent = 0
	}
}

// enterRecovery begins fast recovery.
func (s *sender) enterRecovery() {
	s.forgetFirstResent()
	s.beginEpisode()
	s.recovery = recovering
	s.probe.at, s.probe.end = Never, 0
}

// enterLoss marks all segments as lost, except those sent so recently that
// their acknowledgement may still be in flight. The slow start threshold is lowered once
// until recovery ends, and again if the timer expires after progress.
func (s *sender) enterLoss(now time.Duration) {
	for n := s.queue.first; n < s.queue.last; n++ {
		if segment := s.queue.at(n); n == s.queue.first || segment.sent+s.rack.roundTrip <= now {
			s.queue.lose(n)
		}
	}
	if s.recovery == open || s.recovery == inLoss && s.rtt.backoff == 0 {
		s.beginEpisode()
	}
	s.episode.end = s.nxt
	s.recovery, s.onlyNew = inLoss, false
	s.window.size = s.queue.inFlight() + 1
	s.window.count = 0
	s.window.cubic.reset()
	s.rack.at, s.probe.at, s.probe.end, s.probe.due = Never, Never, 0, false
}

// acknowledge processes the acknowledgements in a segment.
func (s *sender) acknowledge(now time.Duration, p *Segment) {
	if p.Ack > s.nxt {
		return
	}
	if p.Ack < s.una {
		s.acknowledgeAgain(p)
		return
	}
	s.updateWindow(p.Ack, p.Window)
	s.windowProbedAt = 0
	inOrder := p.SACKs == 0 && s.recovery == open && s.probe.end == 0 && s.queue.isInOrder() && !alwaysInFull
	var a ackResult
	switch {
	case !inOrder:
		a = s.processAck(now, p)
	case p.Ack == s.una && s.queue.len() == 0:
		return // as always at an end that only receives
	default:
		a = s.processInOrder(now, p)
	}
	if a.progress {
		s.una = p.Ack
		s.rtt.backoff = 0
		s.retransmit = Never
		if s.queue.len() > 0 {
			s.retransmit = now + s.rtt.timeout()
		}
	}
	if !inOrder {
		s.probeAnswered(p.Ack, a.isProbe, a.progress || a.delivered > 0)
		s.reconsider(p, a.progress)
	}
	resent, lost := s.queue.resent, 0
	if s.onlyNew {
		s.rack.at = Never
	} else {
		lost = s.detect(now)
	}
	if lost > 0 || !inOrder {
		s.react(a, lost, s.queue.resent < resent)
	}
	if s.recovery != recovering && a.progress && a.delivered > 0 {
		s.window.grow(now, a.delivered+a.duplicates)
		s.buffer.grow(s.window.size, s.mss)
	}
	if a.progress || a.delivered > 0 {
		s.scheduleProbe(now)
	}
}

// acknowledgeAgain processes an acknowledgement that a later one has overtaken. Only its
// report of a duplicate counts: the later one has reported the rest, if there was room.
func (s *sender) acknowledgeAgain(p *Segment) {
	if p.isDuplicate() && s.duplicated(p.SACK[0]) {
		s.reconsider(p, false)
		if s.recovery == open && s.queue.lost > 0 {
			s.enterRecovery()
		}
	}
}

// alwaysInFull makes acknowledge process each acknowledgement in full.
var alwaysInFull = false // a variable for tests

// An ackResult is the new information in an acknowledgement.
type ackResult struct {
	delivered  int  // newly delivered segments
	duplicates int  // segments that arrived twice because they were retransmitted
	progress   bool // bytes were acknowledged cumulatively
	isProbe    bool // the loss probe arrived, and repeated what had arrived before
}

// processInOrder is processAck for a cumulative acknowledgement while every segment in
// the queue was sent once and is in flight, as on a path that works. It is short, so most
// acknowledgements need neither the instructions of the rest nor the cache for them.
func (s *sender) processInOrder(now time.Duration, p *Segment) ackResult {
	a := ackResult{progress: p.Ack > s.una}
	var trips roundTrips
	for s.queue.len() > 0 {
		segment := s.queue.at(s.queue.first)
		if segment.seq+int64(segment.size) > p.Ack {
			break
		}
		trips.add(now - segment.sent)
		s.rack.arrived(now, segment, s.rtt.min)
		s.queue.unlink(s.queue.first)
		s.queue.first++
	}
	a.delivered = trips.count
	s.measure(now, p, trips, a.progress)
	return a
}

// processAck marks the segments that have arrived.
func (s *sender) processAck(now time.Duration, p *Segment) ackResult {
	a := ackResult{progress: p.Ack > s.una}
	blocks := p.SACK[:p.SACKs]
	if p.isDuplicate() {
		a.isProbe = blocks[0].End == s.probe.end
		if s.duplicated(blocks[0]) {
			a.duplicates = 1
		}
		blocks = blocks[1:]
	}
	var acked, sacked roundTrips
	arrived := func(number int64, trips *roundTrips) {
		segment := s.queue.at(number)
		a.delivered++
		if !segment.again {
			trips.add(now - segment.sent)
			s.rack.reordered = s.rack.reordered || number < s.queue.highestSacked
		}
		s.queue.highestSacked = max(s.queue.highestSacked, number)
		isFirst := trips == &acked && segment.again && p.TSEcr < segment.sent // the retransmission was spurious
		if !isFirst {
			s.rack.arrived(now, segment, s.rtt.min)
		}
		s.queue.deliver(number)
	}
	for s.queue.len() > 0 {
		segment := s.queue.at(s.queue.first)
		if segment.seq+int64(segment.size) > p.Ack {
			break
		}
		if segment.again {
			acked.ambiguous = true
		}
		if segment.state != isSacked {
			arrived(s.queue.first, &acked)
		}
		s.queue.pop()
	}
	s.queue.newlySacked(blocks, func(number int64) { arrived(number, &sacked) })
	trips := acked
	if acked.count == 0 || acked.ambiguous {
		trips = sacked
	}
	s.measure(now, p, trips, a.progress)
	return a
}

// measure processes the round trips of an acknowledgement. If there are none although
// bytes were acknowledged, its timestamp yields one.
func (s *sender) measure(now time.Duration, p *Segment, trips roundTrips, progress bool) {
	if trips.count == 0 && progress {
		trips.add(now - p.TSEcr)
	}
	if trips.count > 0 {
		s.rtt.sample(trips.first, p.Ack, s.nxt)
		s.window.measure(now, trips.last, p.Ack, s.nxt)
	}
}

// roundTrips are the round trip times of segments that were sent once and are
// acknowledged together. If a retransmitted segment is among them, the
// acknowledgement of the others may have waited for it (Karn's algorithm), and
// timestamps are used instead (RFC 7323).
type roundTrips struct {
	count       int
	first, last time.Duration
	ambiguous   bool
}

func (t *roundTrips) add(d time.Duration) {
	if t.count == 0 {
		t.first = d
	}
	t.count++
	t.last = d
}

// isDuplicate reports whether the first selective acknowledgement reports a
// duplicate (RFC 2883).
func (p *Segment) isDuplicate() bool {
	if p.SACKs == 0 {
		return false
	}
	first := p.SACK[0]
	return first.End <= p.Ack || p.SACKs > 1 && first.Start >= p.SACK[1].Start && first.End <= p.SACK[1].End
}

// react begins fast recovery if a segment was lost, and reduces the window during it.
// After a timeout, fast recovery begins only if a retransmission was lost.
func (s *sender) react(a ackResult, lost int, lostAgain bool) {
	switch {
	case s.recovery == recovering:
	case s.recovery == open && s.queue.lost > 0, lostAgain:
		s.enterRecovery()
	case s.recovery == open:
		s.forgetFirstResent()
		return
	default:
		return
	}
	s.reduceRate(a.delivered+a.duplicates, a.progress && lost == 0)
}

// reduceRate sets the window during fast recovery so that it reaches the
// threshold within a round trip.
func (s *sender) reduceRate(delivered int, good bool) {
	if delivered == 0 {
		return
	}
	e := s.episode
	e.delivered += delivered
	inFlight := s.queue.inFlight()
	var n int
	if room := s.window.threshold - inFlight; room < 0 {
		n = (s.window.threshold*e.delivered+e.window-1)/e.window - e.sent
	} else {
		n = max(e.delivered-e.sent, delivered)
		if good {
			n++
		}
		n = min(room, n)
	}
	least := 0
	if e.sent == 0 {
		least = 1 // the first retransmission must not wait
	}
	s.window.size = inFlight + max(n, least)
}

package netem

import "time"

// A recoveryState is the sender's state of loss recovery.
type recoveryState uint8

const (
	open       recoveryState = iota // nothing is known to be lost
	recovering                      // fast recovery: acknowledgements have revealed losses
	inLoss                          // the retransmission timer has expired
)

// An episode is one recovery, from the detection of a loss until everything sent
// before the detection is acknowledged. A sender has none until its first loss.
type episode struct {
	sent int
	end  int64 // sequence number

	// Spurious reductions are undone.
	canUndo     bool
	retransmits int           // not known to be spurious, sent in it or in flight when it began; -1 before the first
	firstResent time.Duration // 0 is none
	window      int
	threshold   int

	// Proportional rate reduction, RFC 6937. The field sent belongs to it too.
	before    int // window
	delivered int
}

// resent records a retransmission.
func (e *episode) resent(now time.Duration) {
	e.sent++
	e.retransmits = max(e.retransmits, 0) + 1
	if e.firstResent == 0 {
		e.firstResent = now
	}
}

// beginEpisode begins an episode.
func (s *sender) beginEpisode() {
	if s.episode == nil {
		s.episode = &episode{}
	}
	next := episode{
		end: s.nxt, before: s.window.size,
		canUndo: true, window: s.window.size, threshold: s.window.threshold,
		retransmits: -1,
	}
	if s.queue.hasResent() { // that retransmissions of the last episode arrive does not mean that nothing was lost in this one
		next.firstResent = s.episode.firstResent
	}
	if s.queue.resent > 0 {
		next.retransmits = int(s.queue.resent)
	}
	*s.episode = next
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

// enterRecovery begins fast recovery.
func (s *sender) enterRecovery() {
	s.beginEpisode()
	s.recovery = recovering
	s.probe.at, s.probe.end = Never, 0
}

// enterLoss marks all segments as lost, except those sent so recently that
// their acknowledgement may still be in flight.
func (s *sender) enterLoss(now time.Duration) {
	if s.recovery == open || s.una >= s.episode.end {
		s.beginEpisode()
	}
	for n := s.queue.first; n < s.queue.last; n++ {
		if segment := s.queue.at(n); n == s.queue.first || segment.sent+s.rack.roundTrip <= now {
			s.queue.lose(n)
		}
	}
	s.recovery = inLoss
	s.window.size = s.queue.inFlight() + 1
	s.window.count = 0
	s.window.cubic.reset()
	s.rack.at, s.probe.at, s.probe.end, s.probe.due = Never, Never, 0, false
}

// acknowledge processes the acknowledgements in a segment.
func (s *sender) acknowledge(now time.Duration, p *Segment) {
	if p.Ack > s.nxt || p.Ack < s.una {
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
		s.probeAnswered(p.Ack, a.duplicate, a.progress || a.delivered > 0)
	}
	if lost := s.detect(now); lost > 0 || !inOrder {
		s.undo(p, a)
		s.react(a, lost)
	}
	if s.recovery != recovering && a.progress && a.delivered > 0 {
		s.window.grow(now, a.delivered)
		s.buffer.grow(s.window.size, s.mss)
	}
	if a.progress || a.delivered > 0 {
		s.scheduleProbe(now)
	}
}

// alwaysInFull makes acknowledge process each acknowledgement in full.
var alwaysInFull = false // a variable for tests

// An ackResult is the new information in an acknowledgement.
type ackResult struct {
	delivered int  // newly delivered segments
	progress  bool // bytes were acknowledged cumulatively
	duplicate bool // a segment arrived twice
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
		a.duplicate = true
		s.rack.duplicated(blocks[0].Start, s.nxt)
		if e := s.episode; e != nil && e.retransmits > 0 {
			e.retransmits--
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

// undo reverts a reduction if nothing was lost: either all retransmissions were
// reported as duplicates, or the acknowledgement was triggered by a segment
// sent before the first retransmission (RFC 3522).
func (s *sender) undo(p *Segment, a ackResult) {
	e := s.episode
	if s.recovery == open || !e.canUndo {
		return
	}
	allTwice := a.duplicate && e.retransmits == 0
	early := a.progress && e.firstResent > 0 && p.TSEcr < e.firstResent
	if !allTwice && !early {
		return
	}
	for n := s.queue.first; n < s.queue.last; n++ {
		s.queue.recover(n)
	}
	s.window.size = max(s.window.size, e.window)
	s.window.threshold = max(s.window.threshold, e.threshold)
	s.recovery, *e = open, episode{firstResent: e.firstResent}
}

// react enters and leaves recovery.
func (s *sender) react(a ackResult, lost int) {
	switch e := s.episode; {
	case s.recovery != open && s.una >= e.end:
		if s.recovery == recovering {
			s.window.size = s.window.threshold
			s.rack.recovered()
		}
		s.recovery, e.canUndo = open, false
	case s.recovery == inLoss:
		return
	}
	if s.recovery == open && s.episode != nil && !s.queue.hasResent() {
		s.episode.firstResent = 0
	}
	switch {
	case s.recovery == recovering:
	case s.queue.lost > 0:
		s.enterRecovery()
	default:
		return
	}
	s.reduceRate(a.delivered, a.progress && lost == 0)
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
		n = (s.window.threshold*e.delivered+e.before-1)/e.before - e.sent
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

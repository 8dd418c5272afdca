package netem

import "time"

// A sender is the half of an [End] that sends.
type sender struct {
	written   int64 // by the application
	una       int64 // oldest byte that is not acknowledged
	nxt       int64 // next byte to be sent for the first time
	windowEnd int64 // the peer takes no byte from here on
	queue     retransmissionQueue
	rtt       roundTrip
	window    congestionWindow
	rack      rack
	episode   episode
	probe     lossProbe

	lastSent   time.Duration // payload
	sentNew    bool          // since the last call of settle
	retransmit time.Duration // when the retransmission timer expires, or Never
	persist    time.Duration // when the peer is asked for its window, or Never
	ask        bool          // the peer is to be asked now
}

// firstWindow is how much an end can take before it has said so.
const firstWindow = 64 << 10

func (s *sender) init(tcp TCP, now, roundTrip time.Duration) {
	s.windowEnd = firstWindow
	s.queue.init()
	s.window.init(now, tcp.Congestion, roundTrip)
	s.rtt.sample(roundTrip, 0, 0)
	s.rack.init()
	s.probe.at, s.retransmit, s.persist = Never, Never, Never
}

// restartAfterIdle is called before the application's bytes are added.
func (s *sender) restartAfterIdle(now time.Duration) {
	if s.una == s.written && s.lastSent > 0 {
		s.window.restart(now, s.lastSent, s.rtt.timeout())
	}
}

// next returns the segment to be sent next: what was lost goes first.
func (s *sender) next(now time.Duration) (seq int64, n int, ok bool) {
	switch number := s.queue.waiting(); {
	case s.probe.due:
		return s.sendProbe(now)
	case number != none && s.queue.inFlight() < s.window.size:
		return s.resend(now, number)
	case s.ask:
		s.ask = false
		if n := s.windowEnd - s.nxt; n > 0 && n < min(s.written-s.nxt, MSS) {
			return s.sendNew(now, n) // less than a segment is better than nothing
		}
		return s.una - 1, 0, true
	case s.canSendNew() && s.queue.inFlight() < s.window.size:
		return s.sendNew(now, min(s.written-s.nxt, MSS))
	}
	return 0, 0, false
}

// canSendNew reports whether there is a new segment for which the peer has
// room.
func (s *sender) canSendNew() bool {
	n := min(s.written-s.nxt, MSS)
	return n > 0 && s.nxt+n <= s.windowEnd
}

func (s *sender) sendNew(now time.Duration, n int64) (int64, int, bool) {
	seq := s.nxt
	if s.queue.len() == 0 {
		s.retransmit = now + s.rtt.timeout()
	}
	s.queue.push(now, seq, int(n))
	s.nxt += n
	s.lastSent, s.sentNew = now, true
	s.episode.sent++
	return seq, int(n), true
}

func (s *sender) resend(now time.Duration, number int64) (int64, int, bool) {
	segment := s.queue.at(number)
	s.queue.resend(now, number)
	s.lastSent = now
	s.episode.resent(now)
	if s.retransmit == Never {
		s.retransmit = now + s.rtt.timeout()
	}
	return segment.seq, int(segment.size), true
}

// settle is called when nothing more can be sent.
func (s *sender) settle(now time.Duration) {
	limited := s.canSendNew() && s.queue.inFlight() >= s.window.size
	if s.sentNew || limited {
		s.window.note(now, limited || s.queue.inFlight() >= s.window.size, s.queue.len(), s.una, s.nxt, s.rtt.timeout(), s.episode.state == open)
	}
	if s.sentNew {
		s.scheduleProbe(now)
	}
	s.sentNew = false
	switch isBlocked := s.queue.len() == 0 && s.nxt < s.written && !s.canSendNew(); {
	case !isBlocked:
		s.persist = Never
	case s.persist == Never:
		s.persist = now + s.rtt.timeout()
	}
}

// timer returns when the next timer expires.
func (s *sender) timer() time.Duration {
	return min(s.retransmit, s.probe.at, s.rack.at, s.persist)
}

// expire does what the timers call for that have expired.
func (s *sender) expire(now time.Duration) {
	switch {
	case s.rack.at <= now:
		s.rack.at = Never
		s.detect(now)
		if s.queue.lost > s.queue.resent && s.episode.state == open {
			s.enterRecovery()
			s.reduceRate(1, false)
		}
	case s.probe.at <= now:
		s.probe.at, s.probe.due = Never, true
	case s.retransmit <= now:
		s.enterLoss(now)
		s.rtt.backoff++
		s.retransmit = now + s.rtt.timeout()
	case s.persist <= now:
		s.ask = true
		s.rtt.backoff++
		s.persist = now + s.rtt.timeout()
	}
}

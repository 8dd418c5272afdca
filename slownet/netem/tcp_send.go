package netem

import "time"

// A sender is the sending half of an [End].
type sender struct {
	fin            bool // the application will write no more
	sentNew        bool // new data was sent since the last call of settle
	windowProbeDue bool // a window probe is to be sent now
	onlyNew        bool // nothing is retransmitted until the next acknowledgement or timeout
	recovery       recoveryState
	written        int64         // by the application
	una            int64         // oldest byte that is not acknowledged
	nxt            int64         // next byte to be sent for the first time
	windowEnd      int64         // the right edge of the peer's window
	maxWindow      int64         // the largest window that the peer has advertised
	windowProbedAt time.Duration // time at which the first unanswered probe was sent; 0 for none
	retransmit     time.Duration // time at which the retransmission timer expires, or Never
	persist        time.Duration // time of the next window probe, or Never
	probe          lossProbe
	buffer         sendBuffer
	rack           rack
	queue          retransmissionQueue // an end that only receives uses the start of this field, and no later field
	mss            int64               // the payload of a full segment
	lastSent       time.Duration       // time of the last payload
	rtt            roundTrip
	window         congestionWindow
	episode        *episode // the latest; nil before the first loss
}

// firstWindow is assumed until the peer has advertised a window.
const firstWindow = 64 << 10

func (s *sender) init(tcp TCP, now time.Duration) {
	s.mss = MSS
	s.buffer.init(tcp.Window)
	s.queue.init()
	s.window.init(now, tcp.Congestion)
	s.rack.init()
	s.probe.at, s.retransmit, s.persist = Never, Never, Never
}

// restartAfterIdle is called before new bytes are added.
func (s *sender) restartAfterIdle(now time.Duration) {
	if s.una == s.end() && s.lastSent > 0 {
		s.window.restart(now, s.lastSent, s.rtt.timeout())
	}
}

// end returns the sequence number after everything to be sent, including the
// FIN.
func (s *sender) end() int64 {
	if s.fin {
		return s.written + 1
	}
	return s.written
}

// finIsAcknowledged reports whether everything is acknowledged, including the
// FIN.
func (s *sender) finIsAcknowledged() bool { return s.fin && s.una == s.written+1 }

// isIdle reports whether there is nothing to send.
func (s *sender) isIdle() bool {
	return !s.probe.due && !s.windowProbeDue && s.nxt == s.end() && s.queue.lost == s.queue.resent
}

// next fills in the next segment to send: lost segments come first.
func (s *sender) next(now time.Duration, segment *Segment) bool {
	switch number := s.queue.waiting(); {
	case s.probe.due:
		return s.sendProbe(now, segment)
	case number != none && !s.onlyNew && s.queue.inFlight() < s.window.size:
		s.episode.resent(now)
		*segment = s.resend(now, number)
		return true
	case s.windowProbeDue:
		s.windowProbeDue = false
		if n := s.windowEnd - s.nxt; n > 0 && n < s.payload() {
			s.sendNew(now, n, segment) // less than a full segment is better than nothing
		} else {
			*segment = Segment{Seq: s.una - 1}
		}
		return true
	case s.canSendNew() && s.queue.inFlight() < s.window.size:
		s.sendNew(now, s.payload(), segment)
		return true
	}
	return false
}

// payload returns the payload of the next new segment.
func (s *sender) payload() int64 { return max(0, min(s.written-s.nxt, s.full())) }

// full returns the payload of a full segment: at most half of the peer's window
// if that is small.
func (s *sender) full() int64 {
	const small = 536 // RFC 9293's default MSS
	if s.maxWindow >= 2*s.mss || s.maxWindow == 0 {
		return s.mss
	}
	if s.maxWindow > small {
		return s.maxWindow / 2
	}
	return min(s.mss, s.maxWindow)
}

// updateWindow records the right edge of the peer's window.
func (s *sender) updateWindow(from int64, window int) {
	s.windowEnd = max(s.windowEnd, from+int64(window))
	s.maxWindow = max(s.maxWindow, int64(window))
}

// canSendNew reports whether there is a new segment that fits the peer's
// window. A FIN alone always fits.
func (s *sender) canSendNew() bool {
	return s.nxt < s.end() && s.nxt+s.payload() <= s.windowEnd
}

// sendNew fills in a segment with the next n bytes of payload, which were not sent yet.
func (s *sender) sendNew(now time.Duration, n int64, segment *Segment) {
	*segment = Segment{} // a composite literal would be copied
	segment.Seq, segment.Len = s.nxt, int(n)
	if s.fin && s.nxt+n == s.written {
		segment.Flags = FIN
		n++
	}
	if s.queue.len() == 0 {
		s.retransmit = now + s.rtt.timeout()
	}
	s.queue.push(now, s.nxt, int(n))
	s.nxt += n
	s.lastSent, s.sentNew = now, true
	if s.recovery != open {
		s.episode.sent++
	}
}

func (s *sender) resend(now time.Duration, number int64) Segment {
	sent := s.queue.at(number)
	s.queue.resend(now, number)
	s.lastSent = now
	if s.retransmit == Never || number == s.queue.first && s.recovery == recovering {
		s.retransmit = now + s.rtt.timeout()
	}
	segment := Segment{Seq: sent.seq, Len: int(sent.size)}
	if segment.end() > s.written {
		segment.Flags = FIN
		segment.Len--
	}
	return segment
}

// settle updates the timers when nothing more can be sent.
func (s *sender) settle(now time.Duration) {
	if s.nxt == s.end() {
		s.persist = Never
		if s.sentNew {
			s.settleSent(now)
		}
		return
	}
	canSend := s.canSendNew()
	switch {
	case s.sentNew:
		s.settleSent(now)
	case canSend && s.queue.inFlight() >= s.window.size:
		s.note(now)
	}
	switch isBlocked := s.queue.len() == 0 && !canSend; {
	case !isBlocked:
		s.persist = Never
	case s.persist == Never:
		s.persist = now + s.rtt.timeout()
	}
}

// settleSent is the part of settle after new data was sent.
func (s *sender) settleSent(now time.Duration) {
	s.sentNew = false
	s.note(now)
	s.scheduleProbe(now)
	if s.probe.at != Never { // not after the time at which the oldest segment's acknowledgement is due
		if due := s.queue.at(s.queue.first).sent + s.rtt.timeout(); due > now {
			s.probe.at = min(s.probe.at, due)
		}
	}
}

// note records the used part of the window.
func (s *sender) note(now time.Duration) {
	s.window.note(now, s.queue.inFlight() >= s.window.size, s.queue.len(), s.una, s.nxt, s.rtt.timeout(), s.recovery == open)
}

// timer returns the time at which the next timer expires.
func (s *sender) timer() time.Duration {
	return min(s.retransmit, s.probe.at, s.rack.at, s.persist)
}

// Linux gives up when a segment has been retransmitted for as long as 15
// retransmissions starting at 200 ms would take (net.ipv4.tcp_retries2).
const retransmitLimit = 1023*minTimeout + 6*maxTimeout

// expire handles the timers that have expired. It returns false if it gives the
// peer up.
func (s *sender) expire(now, userTimeout time.Duration) bool {
	limit := userTimeout
	if limit == 0 {
		limit = retransmitLimit
	}
	switch {
	case s.rack.at <= now:
		s.rack.at = Never
		if s.detect(now) > 0 && s.recovery != recovering {
			s.enterRecovery()
			s.reduceRate(1, false)
		}
	case s.probe.at <= now:
		s.probe.at, s.probe.due = Never, true
	case s.retransmit <= now:
		since := s.firstResent(now)
		if s.recovery == inLoss && s.rtt.backoff > 0 && now-since >= limit {
			return false
		}
		s.enterLoss(now)
		s.backOff(now, since, userTimeout, &s.retransmit)
	case s.persist <= now:
		if s.windowProbedAt == 0 {
			s.windowProbedAt = now
		} else if now-s.windowProbedAt >= limit {
			return false
		}
		s.windowProbeDue = true
		s.backOff(now, s.windowProbedAt, userTimeout, &s.persist)
	}
	return true
}

// backOff doubles a timer, up to the user timeout if there is one.
func (s *sender) backOff(now, since, userTimeout time.Duration, timer *time.Duration) {
	s.rtt.backoff++
	*timer = now + s.rtt.timeout()
	if userTimeout > 0 {
		*timer = max(now+1, min(*timer, since+userTimeout))
	}
}

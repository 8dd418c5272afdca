package netem

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// SYNs and SYN-ACKs are retransmitted as in Linux 6.5 and later: a SYN four
// times at intervals of a second, then after 1, 2, 4, 8, 16 and 32 seconds,
// with 64 seconds for the last answer; a SYN-ACK after 1, 2, 4, 8 and 16
// seconds, with 32 seconds for the last answer.
const (
	synWait       = time.Second
	synLinear     = int16(4)
	synRetries    = synLinear + 6
	synAckRetries = int16(5)
)

// An opening is the handshake, seen from one end.
type opening struct {
	at       time.Duration // when the timer expires; in TIME-WAIT, its end; or Never
	since    time.Duration // when the SYN to be answered arrived
	sent     int16         // number of SYN segments; three stand for more
	timeouts int16         // how often the timer has expired
	due      bool          // a SYN is to be sent
}

// Dial returns the end of a connection that is opened at the given time.
func Dial(tcp TCP, now time.Duration) *End {
	e := &End{}
	e.InitDial(tcp, now)
	return e
}

// InitDial makes the end what [Dial] returns.
func (e *End) InitDial(tcp TCP, now time.Duration) {
	e.init(tcp, now)
	e.state = SynSent
	e.keepAlive.last = now // from which the user timeout counts
	e.opening.due, e.opening.at = true, now+synWait
}

// Accept returns an end that answers a SYN. A driver that has no listener for
// it answers with [Refuse] instead.
func Accept(tcp TCP, now time.Duration, syn *Segment) *End {
	e := &End{}
	e.InitAccept(tcp, now, syn)
	return e
}

// InitAccept makes the end what [Accept] returns.
func (e *End) InitAccept(tcp TCP, now time.Duration, syn *Segment) {
	e.init(tcp, now)
	e.state = SynReceived
	e.receive.recentTS = syn.TSVal
	e.opening.due, e.opening.at, e.opening.since = true, now+synWait, now
}

// IsStale reports whether a segment acknowledges a SYN-ACK from before this
// handshake, sent by an end that has given up since. The driver answers it with
// [Refuse] (RFC 9293, section 3.10.7.4).
func (e *End) IsStale(s *Segment) bool {
	return e.state == SynReceived && s.Flags&(SYN|ACK|RST) == ACK && s.TSEcr < e.opening.since
}

// Refuse returns the reset that answers a segment for which there is no
// connection.
func Refuse(s *Segment) Segment {
	reset := Segment{Flags: RST | ACK, Seq: s.Ack, Ack: s.Seq + int64(s.Len)}
	if s.Flags&ACK == 0 {
		reset.Seq = notInWindow
	}
	return reset
}

// notInWindow is the sequence number of a reset that answers a SYN: it is in no
// window (RFC 9293, section 3.10.7.4), so it does not end a connection that
// another SYN has opened meanwhile.
const notInWindow = -1

// nextSyn returns the SYN or SYN-ACK to be sent, if any.
func (e *End) nextSyn(now time.Duration) (Segment, bool) {
	o := &e.opening
	if !o.due {
		return Segment{}, false
	}
	o.due = false
	o.sent = min(o.sent+1, 3)
	s := Segment{Flags: SYN, TSVal: now, Window: int(e.receive.advertised)}
	if e.state == SynReceived {
		s.Flags |= ACK
		s.TSEcr = e.receive.recentTS
	}
	return s, true
}

// expireOpening retransmits the SYN or SYN-ACK, or gives up.
func (e *End) expireOpening(now time.Duration) {
	o := &e.opening
	if o.at > now {
		return
	}
	retries, linear := synAckRetries, int16(0)
	switch e.state {
	case TimeWait:
		e.end(NotFailed)
		return
	case SynSent:
		retries, linear = synRetries, synLinear
	}
	limit := Never
	if e.state == SynSent && e.keepAlive.timeout > 0 {
		limit = timeline.Add(e.keepAlive.last, e.keepAlive.timeout)
	}
	if o.timeouts == retries || now >= limit {
		e.end(TimedOut)
		return
	}
	o.timeouts++
	o.due = true
	o.at = min(now+synWait<<max(0, o.timeouts-linear), limit)
}

// inputOpening processes a segment that arrives during the handshake, and
// reports whether there is more to do with it.
func (e *End) inputOpening(now time.Duration, s *Segment) bool {
	switch {
	case s.Flags&RST != 0:
		if e.state == SynSent {
			e.end(Refused)
		} else {
			e.end(Reset)
		}
		return false
	case e.state == SynSent && s.Flags == SYN|ACK:
		e.receive.recentTS = s.TSVal
		e.receive.mustAck = true
		e.send.updateWindow(0, s.Window)
		e.established(now, now-s.TSEcr)
		return false
	case e.state == SynReceived && s.Flags&SYN != 0:
		e.receive.recentTS = s.TSVal
		e.opening.due = true // the answer was lost
		return false
	case e.state == SynReceived && s.Flags&ACK != 0:
		e.established(now, now-s.TSEcr)
		return true
	}
	return false
}

package netem

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// SYNs and SYN-ACKs are retransmitted as in Linux 6.5 and later. A SYN is
// retransmitted four times at intervals of a second, then after 1, 2, 4, 8, 16
// and 32 seconds; the last one may be answered for 64 seconds. A SYN-ACK is
// retransmitted after 1, 2, 4, 8 and 16 seconds; the last one may be answered
// for 32 seconds.
const (
	synWait       = time.Second
	synLinear     = int16(4)
	synRetries    = synLinear + 6
	synAckRetries = int16(5)
)

// An opening is the state of the handshake at one end.
type opening struct {
	at       time.Duration // time at which the timer expires or TIME-WAIT ends; or Never
	since    time.Duration // arrival time of the SYN that the end answers
	sent     int16         // number of SYN segments sent; 3 means three or more
	timeouts int16         // number of times that the timer has expired
	due      bool          // a SYN or SYN-ACK must be sent
}

// Dial returns the end of a connection that is opened at the given time.
func Dial(tcp TCP, now time.Duration) *End {
	e := &End{}
	e.InitDial(tcp, now)
	return e
}

// InitDial initializes the end as [Dial] does.
func (e *End) InitDial(tcp TCP, now time.Duration) {
	e.init(tcp, now)
	e.state = SynSent
	e.keepAlive.last = now // the start of the user timeout
	e.opening.due, e.opening.at = true, now+synWait
}

// Accept returns an end that answers a SYN. If there is no listener, the driver
// answers with [Refuse] instead.
func Accept(tcp TCP, now time.Duration, syn *Segment) *End {
	e := &End{}
	e.InitAccept(tcp, now, syn)
	return e
}

// InitAccept initializes the end as [Accept] does.
func (e *End) InitAccept(tcp TCP, now time.Duration, syn *Segment) {
	e.init(tcp, now)
	e.state = SynReceived
	e.receive.recentTS = syn.TSVal
	e.opening.due, e.opening.at, e.opening.since = true, now+synWait, now
}

// IsStale reports whether a segment acknowledges a SYN-ACK that was sent before
// this handshake, by an end that has given up since. The driver answers such a
// segment with [Refuse] (RFC 9293, section 3.10.7.4).
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

// notInWindow is the sequence number of a reset that answers a SYN. It is outside
// every window (RFC 9293, section 3.10.7.4), so the reset does not end a
// connection that another SYN has opened in the meantime.
const notInWindow = -1

// nextSyn returns the SYN or SYN-ACK to send, if any.
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

// expireOpening handles the timer, which has expired: it retransmits the SYN or SYN-ACK, or
// gives up.
func (e *End) expireOpening(now time.Duration) {
	o := &e.opening
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
// reports whether the segment needs further processing.
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

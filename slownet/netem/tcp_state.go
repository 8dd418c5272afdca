package netem

import (
	"fmt"
	"time"
)

// A State is a connection's state at one of its ends, as RFC 9293 names it.
type State uint8

// The states. LISTEN is the driver's.
const (
	Closed State = iota
	SynSent
	SynReceived
	Established
	FinWait1
	FinWait2
	CloseWait
	Closing
	LastAck
	TimeWait
)

// String returns the state's name as RFC 9293 spells it.
func (s State) String() string {
	names := [...]string{
		"CLOSED", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2",
		"CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT",
	}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// IsOpening reports whether the handshake is in progress.
func (s State) IsOpening() bool { return s == SynSent || s == SynReceived }

// A Failure is the reason why a connection has ended, unless both ends have
// closed it.
type Failure uint8

// The failures.
const (
	NotFailed Failure = iota
	Refused           // the SYN was answered with a reset: ECONNREFUSED
	Reset             // the peer has reset the connection: ECONNRESET
	TimedOut          // the peer has not answered: ETIMEDOUT
)

// String returns the failure.
func (f Failure) String() string {
	names := [...]string{"not failed", "refused", "reset", "timed out"}
	if int(f) < len(names) {
		return names[f]
	}
	return fmt.Sprintf("Failure(%d)", uint8(f))
}

// timeWait is Linux's, less than the two maximum segment lifetimes of RFC 9293.
const timeWait = time.Minute

// established is the transition at the end of the handshake.
func (e *End) established(now, roundTrip time.Duration) {
	e.state = Established
	e.opening.at = Never
	e.send.rtt.sample(roundTrip, 0, 0)
	if e.opening.sent > 2 {
		e.send.window.size = 1 // RFC 6298, section 5.7, and RFC 5681, section 3.1
	}
	e.receive.buffer.since = now
	e.keepAlive.heard(now)
}

// AfterFinSent returns the state after the application has ended its direction.
func (s State) AfterFinSent() State {
	switch s {
	case Established:
		return FinWait1
	case CloseWait:
		return LastAck
	}
	return s
}

// AfterFinReceived returns the state after the peer's direction has ended.
func (s State) AfterFinReceived() State {
	switch s {
	case Established:
		return CloseWait
	case FinWait1:
		return Closing
	case FinWait2:
		return TimeWait
	}
	return s
}

// IsFinSent reports whether the application has ended its direction, or the
// connection has ended.
func (s State) IsFinSent() bool {
	switch s {
	case FinWait1, FinWait2, Closing, LastAck, TimeWait, Closed:
		return true
	}
	return false
}

// IsFinReceived reports whether the peer's direction has ended.
func (s State) IsFinReceived() bool {
	switch s {
	case CloseWait, Closing, LastAck, TimeWait:
		return true
	}
	return false
}

// finAcknowledged is the transition when the peer has acknowledged the FIN.
func (e *End) finAcknowledged(now time.Duration) {
	switch e.state {
	case FinWait1:
		e.state = FinWait2
	case Closing:
		e.wait(now)
	case LastAck:
		e.end(NotFailed)
	}
}

// finReceived is the transition when the peer's FIN and all data before it have
// arrived.
func (e *End) finReceived(now time.Duration) {
	was := e.state
	if e.state = was.AfterFinReceived(); e.state == TimeWait && was != TimeWait {
		e.wait(now)
	}
}

// wait is the transition to TIME-WAIT.
func (e *End) wait(now time.Duration) {
	e.state = TimeWait
	e.opening.at = now + timeWait
}

// end is the transition to CLOSED.
func (e *End) end(failure Failure) {
	e.state, e.failure = Closed, failure
}

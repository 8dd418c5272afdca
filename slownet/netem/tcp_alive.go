package netem

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// A KeepAlive configures keep-alive probes, as net.KeepAliveConfig does. The
// zero KeepAlive is the net package's default: after 15 idle seconds a probe
// every 15 seconds; the connection ends after nine unanswered probes.
//
// Idle and Interval are at most 32,767 seconds, as on Linux; larger values are
// reduced to that.
type KeepAlive struct {
	Idle     time.Duration // idle time before the first probe; zero is 15 s, negative is no probes
	Interval time.Duration // between probes; zero or negative is 15 s
	Count    int           // unanswered probes that end the connection; zero or negative is 9
}

// The net package's defaults, and Linux's limit (MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL).
const (
	keepAliveTime  = 15 * time.Second
	keepAliveCount = 9
	maxKeepAlive   = 32_767 * time.Second
)

// defaultKeepAlive is the zero KeepAlive with defaults filled in.
var defaultKeepAlive = KeepAlive{Idle: keepAliveTime, Interval: keepAliveTime, Count: keepAliveCount}

// withDefaults returns the KeepAlive with defaults filled in. The result must
// not be changed.
func (k KeepAlive) withDefaults() *KeepAlive {
	if k == (KeepAlive{}) {
		return &defaultKeepAlive
	}
	return k.filledIn()
}

// filledIn is withDefaults for a KeepAlive that is not zero.
func (k KeepAlive) filledIn() *KeepAlive {
	if k.Idle == 0 {
		k.Idle = keepAliveTime
	}
	if k.Interval <= 0 {
		k.Interval = keepAliveTime
	}
	if k.Count <= 0 {
		k.Count = keepAliveCount
	}
	k.Idle, k.Interval = min(k.Idle, maxKeepAlive), min(k.Interval, maxKeepAlive)
	return &k
}

// keepAliveState is the state of an end's keep-alive probes.
type keepAliveState struct {
	at      time.Duration // time at which the timer expires, or Never
	last    time.Duration // arrival time of the last segment
	probes  int           // number of unanswered probes
	config  *KeepAlive    // shared, and never changed
	timeout time.Duration // TCP_USER_TIMEOUT; zero is none
}

// heard records that a segment has arrived.
func (a *keepAliveState) heard(now time.Duration) {
	a.last, a.probes = now, 0
	if a.at == Never {
		a.start(now)
	}
}

// start starts the timer, if there are probes.
func (a *keepAliveState) start(now time.Duration) {
	if a.config.Idle >= 0 {
		a.at = timeline.Add(now, a.config.Idle)
	}
}

// expireAlive handles the timer, which has expired: it probes the peer, or gives up.
func (e *End) expireAlive(now time.Duration) {
	a := &e.keepAlive
	silence := now - a.last
	switch {
	case e.state.IsOpening() || e.state == Closed || e.state == TimeWait:
		a.at = Never
	case e.send.una < e.send.end(): // the retransmission timer takes over
		a.at = timeline.Add(now, a.config.Idle)
	case silence < a.config.Idle:
		a.at = timeline.Add(a.last, a.config.Idle)
	case a.timeout == 0 && a.probes >= a.config.Count, a.timeout > 0 && silence >= a.timeout && a.probes > 0:
		e.fail(TimedOut)
	default:
		a.probes++
		a.at = timeline.Add(now, a.config.Interval)
		e.send.windowProbeDue = true
	}
}

// SetKeepAlive changes the keep-alive configuration from now on.
func (e *End) SetKeepAlive(now time.Duration, config KeepAlive) {
	a := &e.keepAlive
	a.config = config.withDefaults()
	switch {
	case e.state == Closed || e.state.IsOpening():
	case a.config.Idle < 0:
		a.at, a.probes = Never, 0
	default:
		a.at = max(now, timeline.Add(a.last, a.config.Idle))
	}
}

// next returns the time at which an idle end probes its peer.
func (a *keepAliveState) next() time.Duration {
	if a.at == Never || a.config.Idle < 0 {
		return Never
	}
	return timeline.Add(a.last, a.config.Idle)
}

// Idle advances both ends of a connection to the given time. Until then they
// sent nothing but keep-alive probes, all of which were answered. there and
// back are the latencies from a to b and from b to a. Afterwards, the next
// probes of both ends are due after that time.
func Idle(now time.Duration, a, b *End, there, back time.Duration) {
	for {
		prober, other, way := a, b, there
		if b.keepAlive.next() < a.keepAlive.next() {
			prober, other, way = b, a, back
		}
		at := prober.keepAlive.next()
		if at > now || at == Never {
			break
		}
		other.keepAlive.answered(timeline.Add(at, way))
		prober.keepAlive.answered(timeline.Add(at, timeline.Add(there, back)))
	}
}

// answered records that a probe was answered.
func (a *keepAliveState) answered(at time.Duration) {
	a.last, a.probes = at, 0
	if a.at != Never {
		a.at = timeline.Add(at, a.config.Idle)
	}
}

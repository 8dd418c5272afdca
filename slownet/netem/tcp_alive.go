package netem

import "time"

// A KeepAlive says when a silent peer is probed, as net.KeepAliveConfig does.
// The zero KeepAlive is the net package's default: after 15 seconds of silence
// a probe every 15 seconds, and the connection ends when nine are unanswered.
type KeepAlive struct {
	Idle     time.Duration // until the first probe; zero is 15 s, below zero there are no probes
	Interval time.Duration // between probes; zero is 15 s
	Count    int           // probes without an answer that end the connection; zero is 9
}

// The net package's defaults.
const (
	keepAliveTime  = 15 * time.Second
	keepAliveCount = 9
)

func (k KeepAlive) withDefaults() KeepAlive {
	if k.Idle == 0 {
		k.Idle = keepAliveTime
	}
	if k.Interval <= 0 {
		k.Interval = keepAliveTime
	}
	if k.Count <= 0 {
		k.Count = keepAliveCount
	}
	return k
}

// alive is the keep-alive state of an end.
type alive struct {
	config  KeepAlive
	timeout time.Duration // TCP_USER_TIMEOUT; zero is none
	last    time.Duration // when something arrived
	probes  int           // without an answer
	at      time.Duration // when to look again, or Never
}

// heard notes that something has arrived.
func (a *alive) heard(now time.Duration) {
	a.last, a.probes = now, 0
	if a.at == Never && a.config.Idle >= 0 {
		a.at = now + a.config.Idle
	}
}

// expireAlive probes the peer, or gives up.
func (e *End) expireAlive(now time.Duration) {
	a := &e.alive
	if a.at > now {
		return
	}
	silence := now - a.last
	switch {
	case e.state.isOpening() || e.state == Closed || e.state == TimeWait:
		a.at = Never
	case e.send.una < e.send.end(): // the retransmission timer takes care of it
		a.at = now + a.config.Idle
	case silence < a.config.Idle:
		a.at = a.last + a.config.Idle
	case a.timeout == 0 && a.probes >= a.config.Count, a.timeout > 0 && silence >= a.timeout && a.probes > 0:
		e.fail(TimedOut)
	default:
		a.probes++
		a.at = now + a.config.Interval
		e.send.ask = true
	}
}

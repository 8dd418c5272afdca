package netem

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// An outage is what a sender knows of a path that does not work: how often in a
// row it has sent something in vain, and how long it waits until the next time.
type outage struct {
	lost    int
	timeout time.Duration
}

// Ping sends a packet that takes no room on the link and that nobody sends
// again if it is lost, such as a request for a connection. It returns when it
// arrives, after all that was sent before and is not Pending, or that it does not.
func (f *Flow) Ping(now time.Duration) (arrive time.Duration, arrives bool) {
	f.update()
	f.id.Number++
	draws := drawsOf(f.line.seed, f.id)
	m := f.line.impair(f.id, draws, false)
	if m.lost || m.corrupted {
		return 0, false
	}
	latency := f.line.latency(f.id, draws)
	if m.reordered {
		latency = 0
	}
	f.arrived = max(f.arrived, timeline.Add(max(now, f.free), latency))
	return f.arrived, true
}

// Lose says that something is lost which the sender sends at the given time,
// not to the link but to what the link does not know of: a network that is
// partitioned, a machine that is off. It returns when the sender tries again,
// by the timer of RFC 6298 that doubles from time to time; or, after 15
// retransmissions, when it gives up, with ETIMEDOUT.
func (f *Flow) Lose(now time.Duration) (again time.Duration, goesOn bool) {
	outage := &f.ensureRetransmissions().outage
	if outage.lost == 0 {
		outage.timeout = f.timeout(now)
	}
	outage.lost++
	again = timeline.Add(now, outage.timeout)
	outage.timeout = min(2*outage.timeout, maxIdealTimeout)
	return again, outage.lost <= maxRetransmissions
}

// Recover says that the path works again, as the sender has heard.
func (f *Flow) Recover() {
	if f.retransmissions != nil {
		f.retransmissions.outage = outage{}
	}
}

// timeout returns how long the sender waits for an acknowledgement. Where
// nothing befalls packets, round trips are not measured but known.
func (f *Flow) timeout(now time.Duration) time.Duration {
	f.update()
	switch r := f.ensureRetransmissions(); {
	case f.link.isFaulty() || r.timer.timeout != 0:
		r.learn(now)
		return r.timer.wait()
	case f.arrived == 0:
		return firstTimeout // nothing has been sent yet
	}
	return max(minTimeout, min(timeline.Add(f.link.Latency, f.returnLatency), maxIdealTimeout))
}

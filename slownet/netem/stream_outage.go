package netem

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// An outage is a sender's state while the path does not work: the number of
// transmissions lost in a row, and the wait before the next.
type outage struct {
	lost    int
	timeout time.Duration
}

// Ping sends a packet that needs no capacity and is not retransmitted by the
// flow, such as a connection request. It returns the packet's arrival time,
// which is after that of everything sent before, Pending pieces excepted.
// arrives is false if the packet is lost.
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

// Lose records that a packet sent at the given time is lost for a reason
// outside the link: a network partition, a host that is down. It returns the
// time at which the sender retries, by the timer of RFC 6298, which doubles
// each time; or, after 15 retransmissions, the time at which it gives up with
// ETIMEDOUT.
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

// Recover records that the sender has learned that the path works again.
func (f *Flow) Recover() {
	if f.retransmissions != nil {
		f.retransmissions.outage = outage{}
	}
}

// timeout returns the time that the sender waits for an acknowledgement. If
// packets cannot be impaired, the round trip is not measured but known.
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

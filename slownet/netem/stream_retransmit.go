package netem

import "time"

// maxIdealTimeout is the upper bound of an ideal stream's timer: RFC 6298's
// minute. TCP's timer is bounded by Linux's two minutes.
const maxIdealTimeout = time.Minute

// maxRetransmissions is the number of times that a packet is retransmitted
// before the connection is given up: Linux's net.ipv4.tcp_retries2. Starting at
// a timeout of one second, that takes eleven minutes.
const maxRetransmissions = 15

// A retransmitter computes the time that a sender waits for an acknowledgement
// before it retransmits a packet. Round trips are measured one at a time.
type retransmitter struct {
	timeout  time.Duration // the present one; zero is the initial one
	smoothed time.Duration // round trip, SRTT; zero before the first
	variance time.Duration // RTTVAR
	learned  uint64        // counts measured round trips

	acked   time.Duration // time at which the round trip under measurement ends; zero if none is measured
	sampled time.Duration // the measured round trip time

	expired time.Duration // time at which the timer that backs off has expired
	longer  time.Duration // the timeout from then on; zero if it does not change
}

// learn processes the events up to now: a round trip that ended, and a timer
// that expired.
func (r *retransmitter) learn(now time.Duration) {
	if r.acked != 0 && r.acked <= now {
		r.longer, r.expired = 0, 0
		r.learnRoundTrip()
	}
	if r.longer > 0 && r.expired <= now {
		r.timeout, r.longer, r.expired = max(r.timeout, r.longer), 0, 0
	}
}

func (r *retransmitter) learnRoundTrip() {
	r.acked = 0
	r.learned++
	if r.smoothed == 0 {
		r.smoothed, r.variance = r.sampled, r.sampled/2
	} else {
		r.variance += ((r.smoothed - r.sampled).Abs() - r.variance) / 4
		r.smoothed += (r.sampled - r.smoothed) / 8
	}
	r.timeout = max(minTimeout, min(min(r.smoothed, maxIdealTimeout)+4*min(r.variance, maxIdealTimeout), maxIdealTimeout))
}

// measure begins to measure a round trip, unless one is being measured.
func (r *retransmitter) measure(acked, roundTrip time.Duration) {
	if r.acked == 0 {
		r.acked, r.sampled = acked, roundTrip
	}
}

// wait returns the time that the sender now waits for an acknowledgement.
func (r *retransmitter) wait() time.Duration {
	if r.timeout == 0 {
		return firstTimeout
	}
	return r.timeout
}

// backOff makes the sender wait longer from the given time, at which the timer
// has expired, until a round trip has been measured. The round trip of a packet
// that was retransmitted is ambiguous (Karn's algorithm), and is not measured.
// Packets in flight when the timer expires keep the old timeout.
func (r *retransmitter) backOff(expired, timeout time.Duration) {
	r.expired, r.longer = max(r.expired, expired), max(r.longer, timeout)
}

package netem

import "time"

// maxIdealTimeout bounds the timer of an ideal stream: RFC 6298's minute. TCP's
// timer may wait for the two minutes of Linux.
const maxIdealTimeout = time.Minute

// maxRetransmissions is how often a packet is sent again before the connection
// is given up: Linux's net.ipv4.tcp_retries2. From a time-out of a second that
// takes eleven minutes.
const maxRetransmissions = 15

// A retransmitter knows how long a sender waits for an acknowledgement until
// it sends a packet again. Round trips are measured one at a time.
type retransmitter struct {
	timeout  time.Duration // as it is now; zero is the first
	smoothed time.Duration // round trip, SRTT; zero before the first
	variance time.Duration // RTTVAR
	learned  uint64        // counts round trips

	acked   time.Duration // when the round trip under measurement ends; zero if none is
	sampled time.Duration // how long it is

	expired time.Duration // when the timer has expired that makes it wait longer
	longer  time.Duration // how long it waits from then on; zero is no longer
}

// learn takes in what has happened by now: a round trip that has ended, and a
// timer that has expired.
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

// wait returns how long the sender waits for an acknowledgement, as of now.
func (r *retransmitter) wait() time.Duration {
	if r.timeout == 0 {
		return firstTimeout
	}
	return r.timeout
}

// backOff makes the sender wait longer from the given time on, when the timer
// has expired, until a round trip has been measured. A round trip of a packet
// that was sent twice says nothing (Karn's rule), and is not measured. What is
// on its way already when the timer expires has been sent under the old one.
func (r *retransmitter) backOff(expired, timeout time.Duration) {
	r.expired, r.longer = max(r.expired, expired), max(r.longer, timeout)
}

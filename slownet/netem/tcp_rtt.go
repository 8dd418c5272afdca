package netem

import "time"

// The retransmission timer's bounds are Linux's: RFC 6298 asks for at least a
// second, and allows any maximum of a minute or more.
const (
	firstTimeout = time.Second
	minTimeout   = 200 * time.Millisecond
	maxTimeout   = 2 * time.Minute
)

// A roundTrip estimates the round trip time and the retransmission timeout as
// RFC 6298 does, with Linux's variant of the deviation, which falls more slowly
// when round trips shrink, and decays only once per round trip.
type roundTrip struct {
	smoothed time.Duration // SRTT; 0 before the first sample
	min      time.Duration
	mean     time.Duration // mean deviation
	max      time.Duration // the largest 4 x mean of this round trip
	variance time.Duration // 4 x RTTVAR
	roundEnd int64         // sequence number that ends this round trip
	backoff  int           // number of times that the timeout is doubled
}

// sample processes a round trip time. The sequence numbers delimit round trips.
func (r *roundTrip) sample(d time.Duration, una, nxt int64) {
	d = max(d, 1)
	if r.smoothed == 0 {
		r.smoothed, r.min, r.mean = d, d, d/2
		r.variance = max(2*d, minTimeout)
		r.max, r.roundEnd = r.variance, nxt
		return
	}
	r.min = min(r.min, d)
	deviation := d - r.smoothed
	r.smoothed += deviation / 8
	if deviation >= 0 {
		deviation -= r.mean
	} else if deviation = -deviation - r.mean; deviation > 0 {
		deviation /= 8
	}
	r.mean += deviation / 4
	if r.max = max(r.max, 4*r.mean); r.max > r.variance {
		r.variance = r.max
	}
	if una > r.roundEnd {
		if r.max < r.variance {
			r.variance -= (r.variance - r.max) / 4
		}
		r.max, r.roundEnd = minTimeout, nxt
	}
}

// timeout returns the retransmission timeout.
func (r *roundTrip) timeout() time.Duration {
	timeout := firstTimeout
	if r.smoothed > 0 {
		timeout = min(r.smoothed+max(r.variance, minTimeout), maxTimeout)
	}
	if r.backoff == 0 {
		return timeout
	}
	return r.backedOff(timeout)
}

// backedOff doubles a timeout as often as it has expired in a row.
func (r *roundTrip) backedOff(timeout time.Duration) time.Duration {
	for range r.backoff {
		if timeout *= 2; timeout >= maxTimeout {
			return maxTimeout
		}
	}
	return timeout
}

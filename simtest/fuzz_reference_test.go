package simtest_test

import (
	"sort"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A fuzzReference predicts the arrivals of bytes that are sent over a calm link. It is
// meant to be too simple to be wrong. If a rate is shared, it gives the earliest
// arrival.
type fuzzReference struct {
	link     netem.Link
	free     time.Duration // when the link is free
	upTo     int64
	arrivals []fuzzWrite // of packets
	finished time.Duration
}

// exact reports whether its predictions are exact.
func (r *fuzzReference) exact() bool { return r.link.Rate == 0 }

// perByte returns the serialization time of a byte, which is a whole number of
// nanoseconds on a calm link.
func (r *fuzzReference) perByte() time.Duration {
	if r.link.Rate == 0 {
		return 0
	}
	return time.Duration(8e9 / int64(r.link.Rate))
}

// write sends n bytes of a stream: in bursts by the pace, and in packets, one after
// another.
func (r *fuzzReference) write(at time.Duration, n int) {
	r.free = max(r.free, at)
	for n > 0 {
		burst := n
		if r.link.Pace.Bytes > 0 {
			burst = min(burst, r.link.Pace.Bytes)
		}
		n -= burst
		for burst > 0 {
			packet := burst
			if r.link.Rate > 0 {
				mtu := r.link.MTU
				if mtu == 0 {
					mtu = 1500
				}
				packet = min(packet, mtu)
			}
			burst -= packet
			r.free += time.Duration(packet) * r.perByte()
			r.upTo += int64(packet)
			r.arrivals = append(r.arrivals, fuzzWrite{r.free + r.link.Latency, r.upTo})
		}
		r.free += r.link.Pace.Wait
	}
}

// arrival returns the arrival time of the byte at an offset.
func (r *fuzzReference) arrival(offset int64) time.Duration {
	i := sort.Search(len(r.arrivals), func(i int) bool { return r.arrivals[i].upTo > offset })
	if i == len(r.arrivals) {
		return forever
	}
	return r.arrivals[i].at
}

// end returns the arrival time of the end of the stream.
func (r *fuzzReference) end() time.Duration { return max(r.free, r.finished) + r.link.Latency }

// packet sends a datagram, and returns its arrival time, or 0 if it is too large.
func (r *fuzzReference) packet(at time.Duration, n int) time.Duration {
	if r.link.MTU > 0 && n > r.link.MTU {
		return 0
	}
	r.free = max(r.free, at) + time.Duration(n)*r.perByte()
	arrives := r.free + r.link.Latency
	pieces := 1
	if r.link.Pace.Bytes > 0 {
		pieces = max(1, (n+r.link.Pace.Bytes-1)/r.link.Pace.Bytes)
	}
	r.free += time.Duration(pieces) * r.link.Pace.Wait
	return arrives
}

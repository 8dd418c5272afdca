package netem

import (
	"fmt"
	"math/bits"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// A Rate is a number of bits per second. Zero, as the rate of a [Link], is no
// limit.
type Rate int64

// The units of rate. They count in thousands, as networks do, and not in 1024.
const (
	BitPerSecond Rate = 1
	Kbps              = 1000 * BitPerSecond
	Mbps              = 1000 * Kbps
	Gbps              = 1000 * Mbps
)

// String returns the rate in the largest unit that holds it without a
// fraction, such as "250kbit/s".
func (r Rate) String() string {
	for _, unit := range []struct {
		rate Rate
		name string
	}{{Gbps, "Gbit/s"}, {Mbps, "Mbit/s"}, {Kbps, "kbit/s"}} {
		if r != 0 && r%unit.rate == 0 {
			return fmt.Sprintf("%d%s", r/unit.rate, unit.name)
		}
	}
	return fmt.Sprintf("%dbit/s", int64(r))
}

// meter computes the time that bytes take at a rate. It carries fractions of a
// nanosecond over to the next bytes, so rounding errors do not accumulate.
type meter struct {
	carry uint64 // in units of 1/rate nanoseconds, less than rate
}

// take returns the time that n bytes take at rate r, which is positive.
func (m *meter) take(r Rate, n int) time.Duration {
	high, low := bits.Mul64(uint64(n), 8*uint64(time.Second))
	low, carry := bits.Add64(low, m.carry, 0)
	high += carry
	if high >= uint64(r) {
		return timeline.End // more than 292 years
	}
	quotient, remainder := bits.Div64(high, low, uint64(r))
	m.carry = remainder
	if quotient > uint64(timeline.End) {
		return timeline.End
	}
	return time.Duration(quotient)
}

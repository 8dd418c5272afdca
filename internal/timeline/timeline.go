// Package timeline adds durations without overflow.
//
// Times are durations since an origin. Int64 nanoseconds reach 292 years, which
// a simulation or a misconfigured link can exceed.
package timeline

import "time"

// End is the end of time, and the longest duration.
const End time.Duration = 1<<63 - 1

// Add returns t + d. Beyond End it returns End, below -End it returns -End; d
// may be negative.
func Add(t, d time.Duration) time.Duration {
	sum := t + d
	switch {
	case d > 0 && sum < t:
		return End
	case d < 0 && sum > t:
		return -End
	}
	return sum
}

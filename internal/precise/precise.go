// Package precise sleeps for durations below the resolution of the runtime's
// timers.
package precise

import "time"

// Grain is the maximum lateness of the runtime's timers. Where the runtime waits
// for the network in whole milliseconds, as on Linux, it is one millisecond.
const Grain = 1100 * time.Microsecond

// sleepers limits the number of goroutines that may sleep precisely at a time,
// since each occupies a thread while it sleeps.
var sleepers = make(chan struct{}, 8)

// Sleep waits for d, which should be about a grain or less, and returns very
// soon after that. If too many goroutines sleep at once, it may be late by a
// grain.
func Sleep(d time.Duration) {
	select {
	case sleepers <- struct{}{}:
		defer func() { <-sleepers }()
		sleepPrecisely(d)
	default:
		time.Sleep(d)
	}
}

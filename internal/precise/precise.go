// Package precise sleeps for times that are shorter than the runtime's timers can
// tell apart.
package precise

import "time"

// Grain is how much too late the runtime's timers may fire: where it waits for
// the network in whole milliseconds, as on Linux, up to one.
const Grain = 1100 * time.Microsecond

// sleepers bounds how many goroutines may sleep precisely at a time, each of
// which takes a thread meanwhile.
var sleepers = make(chan struct{}, 8)

// Sleep waits for d, less than a grain or so, and returns almost at once after
// that; if too many others do, it may be late by a grain.
func Sleep(d time.Duration) {
	select {
	case sleepers <- struct{}{}:
		defer func() { <-sleepers }()
		sleepPrecisely(d)
	default:
		time.Sleep(d)
	}
}

package slownet

import (
	"reflect"
	"time"

	"github.com/benbjohnson/clock"
)

// grain is how much too late the runtime's timers may fire: where it waits for
// the network in whole milliseconds, as on Linux, up to one.
const grain = 1100 * time.Microsecond

// sleepers bounds how many goroutines may sleep precisely at a time, each of
// which takes a thread meanwhile.
var sleepers = make(chan struct{}, 8)

// sleep waits for d, less than a grain or so, and returns almost at once after
// that; if too many others do, it may be late by a grain.
func sleep(d time.Duration) {
	select {
	case sleepers <- struct{}{}:
		defer func() { <-sleepers }()
		sleepPrecisely(d)
	default:
		time.Sleep(d)
	}
}

// isReal reports whether a clock tells the real time, and not one that is
// stepped by hand or that of a testing/synctest bubble. A bubble begins in the
// year 2000.
func isReal(c clock.Clock) bool {
	return canSleepPrecisely && reflect.TypeOf(c) == realClock && !c.Now().Round(0).Before(processStart)
}

// isStepped reports whether a clock is stepped by hand, as a clock.Mock is.
func isStepped(c clock.Clock) bool {
	_, stepped := c.(interface{ Add(time.Duration) })
	return stepped
}

var (
	realClock    = reflect.TypeOf(clock.New())
	processStart = time.Now().Round(0).Add(-time.Hour) // less what the clock may have been set back since
)

package slownet

import (
	"reflect"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/slowpoetry/slowpoetry/internal/precise"
)

// isReal reports whether a clock shows real time: it is not a mock, and the process
// is not in a testing/synctest bubble, which begins in the year 2000.
func isReal(c clock.Clock) bool {
	return precise.CanSleep && reflect.TypeOf(c) == realClock && !c.Now().Round(0).Before(processStart)
}

// isStepped reports whether a clock is advanced by hand, as a clock.Mock is.
func isStepped(c clock.Clock) bool {
	_, stepped := c.(interface{ Add(time.Duration) })
	return stepped
}

var (
	realClock    = reflect.TypeOf(clock.New())
	processStart = time.Now().Round(0).Add(-time.Hour) // minus an hour, in case the clock was set back since
)

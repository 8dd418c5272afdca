package slownet

import (
	"reflect"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/slowpoetry/slowpoetry/internal/precise"
)

// isReal reports whether a clock shows real time: it is neither stepped by hand nor
// in a testing/synctest bubble. A bubble begins in the year 2000.
func isReal(c clock.Clock) bool {
	return precise.CanSleep && reflect.TypeOf(c) == realClock && !c.Now().Round(0).Before(processStart)
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

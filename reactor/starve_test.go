package reactor_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/reactor"
)

// A timer that sets itself again at once does not starve other work, however
// long the scheduler takes.
func TestTimersDoNotStarveOtherWork(t *testing.T) {
	r := reactor.Reactor{Clock: clock.NewMock()} // the time of this clock stands still
	start, called := time.Now(), false
	var again func()
	again = func() {
		require.Less(t, time.Since(start), 10*time.Second)
		if !called {
			runtime.Gosched()
			r.AfterFunc(0, again)
		}
	}
	r.AfterFunc(0, again)
	r.Go(func() {}, func() { called = true })
	require.NoError(t, r.Run())
	assert.True(t, called)
}

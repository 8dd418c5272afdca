package reactor_test

import (
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/reactor"
)

func TestTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r reactor.Reactor
		start := time.Now()
		type firing struct {
			name string
			at   time.Duration
		}
		var got []firing
		note := func(name string) func() { return func() { got = append(got, firing{name, time.Since(start)}) } }
		r.AfterFunc(30*ms, note("c"))
		r.AfterFunc(10*ms, note("a1"))
		r.AfterFunc(10*ms, note("a2"))
		r.AfterFunc(10*ms, func() {
			note("a3")()
			r.AfterFunc(5*ms, note("b"))
			r.AfterFunc(0, note("a4"))
		})
		stopped := r.AfterFunc(20*ms, note("never"))
		stopped.Stop()
		stopped.Stop()
		r.AfterFunc(2*time.Hour, note("too late: Run has ended"))
		r.Go(func() { time.Sleep(time.Hour) }, note("job"))
		require.NoError(t, r.Run())
		assert.Equal(t, []firing{{"a1", 10 * ms}, {"a2", 10 * ms}, {"a3", 10 * ms}, {"a4", 10 * ms}, {"b", 15 * ms}, {"c", 30 * ms}, {"job", time.Hour}}, got)
		stopped.Stop()
	})
}

// If a new timer is due before all others, the loop's alarm is set to its time.
func TestTimerBeforeTheAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r reactor.Reactor
		start := time.Now()
		var fired []time.Duration
		note := func() { fired = append(fired, time.Since(start)) }
		r.AfterFunc(time.Hour, note)
		r.Go(func() { time.Sleep(time.Minute) }, func() { r.AfterFunc(time.Minute, note) })
		r.Go(func() { time.Sleep(2 * time.Hour) }, func() {})
		require.NoError(t, r.Run())
		assert.Equal(t, []time.Duration{2 * time.Minute, time.Hour}, fired)
	})
}

// A timer set for a time that has passed fires at once, after the timers that were
// set before it.
func TestTimersForThePast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r reactor.Reactor
		var fired []int
		for i, d := range []time.Duration{0, -time.Hour, 0, -2 * time.Hour} {
			r.AfterFunc(d, func() { fired = append(fired, i) })
		}
		require.NoError(t, r.Run())
		assert.Equal(t, []int{0, 1, 2, 3}, fired)
	})
}

// A ringingClock counts the timers that are set on it, and the timers that fire.
type ringingClock struct {
	clock.Clock
	set, rung atomic.Int64
}

func (c *ringingClock) AfterFunc(d time.Duration, f func()) *clock.Timer {
	c.set.Add(1)
	return c.Clock.AfterFunc(d, func() {
		c.rung.Add(1)
		f()
	})
}

// However many timers a loop has, it sets one alarm on its clock, and sets it again only if
// the first timer changes. When Run has ended, no alarm is set.
func TestOneAlarmForAllTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alarms := &ringingClock{Clock: clock.New()}
		r := reactor.Reactor{Clock: alarms}
		r.AfterFunc(time.Hour, func() {})
		r.AfterFunc(10*time.Hour, func() { t.Error("too late: Run has ended") })
		for i := range 100 {
			r.Go(func() { time.Sleep(time.Duration(i) * time.Second) }, func() {})
		}
		r.Go(func() { time.Sleep(10 * time.Minute) }, func() {
			assert.EqualValues(t, 1, alarms.set.Load())
			r.AfterFunc(time.Minute, func() {})
		})
		r.Go(func() { time.Sleep(2 * time.Hour) }, func() {})
		require.NoError(t, r.Run())
		time.Sleep(24 * time.Hour)
		assert.EqualValues(t, 4, alarms.set.Load(), "for 1 h, 11 min, 1 h again, and 10 h")
		assert.EqualValues(t, 2, alarms.rung.Load(), "after 11 min and 1 h")
	})
}

// A jumpingClock advances by an hour just before an alarm is set on it.
type jumpingClock struct{ *clock.Mock }

func (c jumpingClock) AfterFunc(d time.Duration, f func()) *clock.Timer {
	c.Add(time.Hour)
	return c.Mock.AfterFunc(d, f)
}

// A timer that becomes due while the loop sets its alarm is not late.
func TestTimeThatPassesWhileTheAlarmIsSet(t *testing.T) {
	jumping := jumpingClock{clock.NewMock()}
	r := reactor.Reactor{Clock: jumping}
	fired, start := make(chan struct{}), time.Now()
	r.AfterFunc(time.Hour, func() { close(fired) })
	r.Go(func() { <-fired }, func() {})
	rescue := time.AfterFunc(10*time.Second, func() { jumping.Add(time.Hour) })
	defer rescue.Stop()
	require.NoError(t, r.Run())
	assert.Less(t, time.Since(start), 5*time.Second)
}

// Timers of one Run do not affect the next Run.
func TestTimersOfASecondRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r reactor.Reactor
		left := r.AfterFunc(time.Hour, func() { t.Error("Run has ended") })
		r.Go(func() { time.Sleep(time.Second) }, func() {})
		require.NoError(t, r.Run())
		start := time.Now()
		var fired []time.Duration
		note := func() { fired = append(fired, time.Since(start)) }
		r.AfterFunc(2*time.Hour, note)
		r.AfterFunc(3*time.Hour, note)
		left.Stop()
		r.Go(func() { time.Sleep(4 * time.Hour) }, func() {})
		require.NoError(t, r.Run())
		assert.Equal(t, []time.Duration{2 * time.Hour, 3 * time.Hour}, fired)
	})
}

// A timer alone does not keep the loop running.
func TestTimerDoesNotKeepRunGoing(t *testing.T) {
	var r reactor.Reactor
	r.AfterFunc(time.Hour, func() { t.Error("it fired") })
	require.NoError(t, r.Run())
}

// Timers follow the injected clock, even while the loop waits for a socket.
func TestMockClock(t *testing.T) {
	eachKind := map[string]func(t *testing.T) (net.Conn, net.Conn){"tcp": kinds["tcp"], "pipe": kinds["pipe"]}
	for name, pair := range eachKind {
		t.Run(name, func(t *testing.T) {
			near, far := pair(t)
			defer far.Close()
			mock := clock.NewMock()
			r := reactor.Reactor{Clock: mock}
			c := r.Add(near, newCollector(1))
			fired := make(chan struct{})
			r.Call(func() {
				r.AfterFunc(time.Hour, func() {
					close(fired)
					_ = c.Close()
				})
			})
			ran := make(chan error, 1)
			go func() { ran <- r.Run() }()
			for waiting := true; waiting; { // the timer may not be set yet
				mock.Add(time.Hour)
				select {
				case <-fired:
					waiting = false
				default:
				}
			}
			require.NoError(t, <-ran)
		})
	}
}

package reactor_test

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/clients/reactor"
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

// A timer that is set later but is due sooner moves the alarm forward.
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

// A timer alone does not keep the loop going.
func TestTimerDoesNotKeepRunGoing(t *testing.T) {
	var r reactor.Reactor
	r.AfterFunc(time.Hour, func() { t.Error("it fired") })
	require.NoError(t, r.Run())
}

// Timers go by the injected clock, also while the loop waits for a socket.
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

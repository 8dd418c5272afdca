package simtest_test

import (
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The clock shows Config.Start when a simulation begins, on each host, and
// durations count from there.
func TestStart(t *testing.T) {
	bubble := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, start := range []time.Time{
		{},
		bubble,
		bubble.Add(1),
		time.Date(2026, 3, 29, 1, 59, 59, 999999999, time.FixedZone("CET", 3600)),
		time.Date(2261, 12, 30, 23, 0, 0, 0, time.UTC),
	} {
		var events []trace.Event
		config := simtest.Config{
			Start: start,
			Link:  netem.Link{Latency: 10 * ms},
			Trace: func(e trace.Event) { events = append(events, e) },
		}
		config.Run(t, func(t *testing.T, sim *simtest.Sim) {
			want := start
			if start.IsZero() {
				want = bubble
			}
			assert.True(t, want.Equal(time.Now()), "%v", time.Now())
			assert.True(t, want.Equal(sim.Now()))
			assert.True(t, want.Equal(sim.Host("a").Clock().Now()))
			assert.Zero(t, sim.Elapsed())
			_, err := sim.Host("a").Listen("tcp", ":1")
			require.NoError(t, err)
			called := make(chan time.Time, 1)
			sim.At(time.Second, func() { called <- time.Now() })
			_, err = sim.Host("b").Dial("tcp", "a:1")
			require.NoError(t, err)
			assert.Equal(t, 20*ms, sim.Elapsed())
			assert.True(t, want.Add(time.Second).Equal(<-called))
		})
		require.NotEmpty(t, events)
		assert.Equal(t, 20*ms, events[0].At)
	}
}

// The time limit counts from Config.Start too, whenever that is.
func TestStartAndTimeLimit(t *testing.T) {
	simtest.Config{Start: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), TimeLimit: time.Hour}.Run(t, func(*testing.T, *simtest.Sim) {
		time.Sleep(time.Hour - 1)
	})
}

// If Config.Start is out of the clock's range, the error gives the range.
func TestStartOutOfRange(t *testing.T) {
	for _, start := range []time.Time{time.Unix(0, 0).UTC(), time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} {
		assert.PanicsWithValue(t, "simtest: Config.Start is "+start.String()+": it must be from 2000-01-01 00:00:00 +0000 UTC on, when a bubble's clock begins, and before 2262-01-01 00:00:00 +0000 UTC, when it ends", func() {
			simtest.Config{Start: start}.Run(t, func(*testing.T, *simtest.Sim) {})
		})
	}
}

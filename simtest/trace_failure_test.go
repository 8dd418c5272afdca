package simtest_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// talksUntil sends a byte once a second, and calls fail after each.
func talksUntil(t *testing.T, sim *simtest.Sim, fail func(t *testing.T, i int)) {
	sim.SetLink("a", "b", netem.Link{Latency: 100 * ms})
	client, _ := connected(t, sim)
	for i := range 30 {
		write1(t, client, 'x')
		time.Sleep(time.Second)
		fail(t, i)
	}
	time.Sleep(time.Hour)
}

func assertShown(t *testing.T, output string, first, last int) {
	t.Helper()
	for i := range 30 {
		event := fmt.Sprintf("data a>b a/tcp#1 offset %d, 1 bytes, hash", i)
		assert.Equal(t, i >= first && i <= last, strings.Contains(output, event), event)
	}
}

// A failure shows the events before it, not the events after it, and the calls in which
// each connection waited at that time.
func TestFailureShowsTheLastEvents(t *testing.T) {
	output := failing(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim) {
		talksUntil(t, sim, func(t *testing.T, i int) {
			if i == 24 {
				t.Error("no good")
			}
		})
	})
	if output == "" {
		return // this test fails
	}
	assertShown(t, output, 5, 24)
	assert.Contains(t, output, "simtest: the last events before the failure, which was found at 25.2s, after 8 others:\n")
	assert.Contains(t, output, "a/tcp#1, 10.0.0.1:1 to 10.0.0.2:32768 (a): nobody in Read, 25 bytes unread")
	assert.Less(t, strings.Index(output, "offset 24"), strings.Index(output, "To run it again"))
}

func TestFailureThatEndsTheTestShowsAsManyEventsAsAskedFor(t *testing.T) {
	output := failing(t, simtest.Config{KeepEvents: 3}, func(t *testing.T, sim *simtest.Sim) {
		talksUntil(t, sim, func(t *testing.T, i int) { require.NotEqual(t, 7, i) })
	})
	if output == "" {
		return
	}
	assertShown(t, output, 5, 7)
	assert.Contains(t, output, "found at 8.2s, after 8 others:")
	assert.Contains(t, output, "8 bytes unread")
	assert.NotContains(t, output, " close ", "events of clean-ups come later")
}

func TestFailureShowsNoEvents(t *testing.T) {
	output := failing(t, simtest.Config{KeepEvents: -1}, func(t *testing.T, sim *simtest.Sim) {
		talksUntil(t, sim, func(t *testing.T, i int) { require.NotEqual(t, 7, i) })
	})
	assert.NotContains(t, output, "the last events")
}

func TestFailureWithoutEvents(t *testing.T) {
	output := failing(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim) { t.Error("at once") })
	assert.NotContains(t, output, "the last events")
}

func TestPanicShowsTheLastEvents(t *testing.T) {
	if os.Getenv("SIMTEST_FAILING") == t.Name() {
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			talksUntil(t, sim, func(t *testing.T, i int) {
				if i == 3 {
					panic("no good")
				}
			})
		})
	}
	output := runSelf(t, t.Name(), "SIMTEST_FAILING="+t.Name())
	assertShown(t, output, 0, 3)
	assert.Contains(t, output, "panic: no good")
}

// If nothing has happened on the network for long, the failure lists the goroutines:
// they may wait for each other.
func TestFailureShowsGoroutinesAfterAStandstill(t *testing.T) {
	for _, wait := range []time.Duration{9 * time.Second, 10 * time.Second} {
		t.Run(wait.String(), func(t *testing.T) {
			output := failing(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim) {
				client, _ := connected(t, sim)
				write1(t, client, 'x')
				sim.Settle()
				never := make(chan bool)
				sim.Host("a").Run(func(ctx context.Context) error {
					select {
					case <-never:
					case <-ctx.Done():
					}
					return nil
				})
				time.Sleep(wait)
				t.Error("no good")
			})
			if output == "" {
				return
			}
			told := regexp.MustCompile(`Nothing had happened on the network for 10s. Goroutines:\n +a:\n +1 in select: simtest_test.TestFailureShows`).MatchString(output)
			assert.Equal(t, wait >= 10*time.Second, told, output)
			assert.Contains(t, output, "For all events, on a page or in Wireshark, run it with SIMTEST_TRACE=folder.")
		})
	}
}

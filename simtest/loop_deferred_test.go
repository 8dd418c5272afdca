package simtest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// It makes no difference whether a write wakes the loop or is deferred, not even for
// the order of events at one instant.
func TestDeferredWritesMakeNoDifference(t *testing.T) {
	for number := range tier.Count[uint64](16, 2000) {
		seed, tape := randomTape(number)
		program := decodeFuzzProgram(seed, tape)
		program.tcp, program.far = true, number%2 == 1
		late := eventsOf(t, program)
		restore := simtest.SetNeverDefer()
		atOnce := eventsOf(t, program)
		restore()
		require.Equal(t, atOnce, late, "program %d", number)
	}
}

// Writes of one instant cost no turns of the loop except for their arrivals: one at the
// time of arrival, and one more after each except the last.
func TestWritesWaitForTheLoop(t *testing.T) {
	const conns = 3
	simtest.Config{Link: netem.Link{Latency: 5 * ms}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		listener, err := sim.Host("b").Listen("tcp", ":1")
		require.NoError(t, err)
		for range conns {
			client, err := sim.Host("a").Dial("tcp", "b:1")
			require.NoError(t, err)
			server, err := listener.Accept()
			require.NoError(t, err)
			go func() {
				for buffer := make([]byte, 10); ; {
					if _, err := server.Read(buffer); err != nil {
						return
					}
				}
			}()
			go func() {
				time.Sleep(time.Until(sim.Now().Truncate(time.Second).Add(10 * time.Second)))
				for {
					if _, err := client.Write([]byte("ten bytes.")); err != nil {
						return
					}
					time.Sleep(100 * ms)
				}
			}()
		}
		time.Sleep(time.Until(sim.Now().Truncate(time.Second).Add(10*time.Second + 50*ms)))
		before := simtest.TurnsOf(sim)
		time.Sleep(500 * ms)
		assert.EqualValues(t, 5*conns, simtest.TurnsOf(sim)-before)
	})
}

// The loop makes no turns while there is nothing to do.
func TestIdleLoopSleeps(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.Settle()
		before := simtest.TurnsOf(sim)
		time.Sleep(10 * time.Hour)
		assert.Equal(t, before, simtest.TurnsOf(sim))
	})
}

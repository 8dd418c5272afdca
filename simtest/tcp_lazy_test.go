package simtest_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/require"
)

// eventsOf returns the trace of a random program over TCP.
func eventsOf(t *testing.T, program *fuzzProgram) (events []string) {
	t.Helper()
	w := &fuzzWorld{program: program, flows: make(map[string]*fuzzFlow), references: make(map[string]*fuzzReference)}
	config := simtest.Config{
		TCP: netem.TCP{Congestion: netem.Reno}, TimeLimit: 1000 * time.Hour, KeepPools: true,
		Trace: func(e trace.Event) { events = append(events, e.String()) },
	}
	config.Run(t, func(t *testing.T, sim *simtest.Sim) {
		w.sim, w.origin = sim, time.Now()
		w.model = newFuzzModel(program, w.now)
		w.bottleneck = netem.NewBottleneck(10 * netem.Mbps)
		w.run()
	})
	return events
}

// Whether acknowledgements and timers happen in time or lazily makes no difference, not
// even of a nanosecond, whatever happens to the network.
func TestLazyEventsMakeNoDifference(t *testing.T) {
	for number := range tier.Count[uint64](8, 1000) {
		checkLazyEvents(t, number, false)
	}
	for number := range tier.Count[uint64](8, 500) {
		checkLazyEvents(t, number, true)
	}
}

// A write that needs room from acknowledgements that have arrived but were not
// processed yet is cut into segments as if they had been.
func TestLazyEventsLeaveRoom(t *testing.T) {
	for _, number := range []uint64{789, 1781, 1837, 2703} {
		checkLazyEvents(t, number, false)
	}
}

func checkLazyEvents(t *testing.T, number uint64, far bool) {
	t.Helper()
	seed, tape := randomTape(number)
	program := decodeFuzzProgram(seed, tape)
	program.tcp, program.far = true, far
	late := eventsOf(t, program)
	restore := simtest.SetAllInTime()
	inTime := eventsOf(t, program)
	restore()
	slices.SortFunc(late, cmp.Compare[string]) // the order at one instant may differ
	slices.SortFunc(inTime, cmp.Compare[string])
	require.Equal(t, inTime, late, "program %d, %v", number, far)
}

package simtest

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The dump of a terminated worker lists the user's goroutines, beginning with those
// that do not wait for the simulation.
func TestDumpBubbles(t *testing.T) {
	own := "goroutine 3 [select (durable), synctest bubble 1]:\n" + ownPackage + ".(*Sim).loop()\n\t/x/loop.go:1 +0x5\ncreated by x/y.z in goroutine 2\n\t/x/y.go:3"
	waits := "goroutine 4 [select (durable), synctest bubble 1]:\nx/y.wait()\n\t/x/y.go:1 +0x5"
	spins := "goroutine 5 [running, synctest bubble 1]:\nx/y.spin()\n\t/x/y.go:2 +0x5"
	helps := "goroutine 6 [runnable]:\nx/y.help()\n\t/x/y.go:4 +0x5"
	outside := "goroutine 7 [chan receive]:\nx/y.TestX()\n\t/x/y.go:5 +0x5"
	dump := func(blocks ...string) string { return strings.Join(blocks, "\n\n") + "\n" }
	assert.Equal(t, "\n"+dump(spins, helps, waits), dumpBubbles(dump(outside, own, waits, spins, helps)))
	assert.Equal(t, "\n"+dump(outside, own), dumpBubbles(dump(outside, own)))
}

// A worker reports its faults, and carries out faults that it is given.
func TestSearchSchedule(t *testing.T) {
	s := Search{Config: Config{Chaos: DefaultChaos()}}
	f := func(t *testing.T, sim *Sim) {
		sim.Host("a")
		sim.Host("b")
		<-sim.Quiet()
	}
	drawn := s.runSeed(t, searchJob{Seed: 7, KeepPools: true}, f, nil)
	require.False(t, drawn.Failed)
	require.Greater(t, len(drawn.Schedule), 2)
	replayed := func(lines ...string) searchResult {
		schedule, err := parseSchedule(strings.Join(lines, "\n"))
		require.NoError(t, err)
		r := &replay{goVersion: "go1.26", seed: 7, schedule: schedule, quiet: drawn.Quiet}
		return s.runSeed(t, searchJob{Seed: 7, KeepPools: true, Replay: r.text()}, f, nil)
	}
	assert.Equal(t, time.Minute, drawn.Quiet)
	assert.Equal(t, drawn, replayed(drawn.Schedule...))
	less := replayed(drawn.Schedule[1:]...)
	assert.Equal(t, drawn.Schedule[1:], less.Schedule)
	assert.NotEqual(t, drawn.Digest, less.Digest)
	assert.Empty(t, replayed().Schedule)
}

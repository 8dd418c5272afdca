package simtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Of what a seed prints, the beginning and the end are kept, and nothing of what
// other seeds have printed. The file does not grow for ever.
func TestSearchOutput(t *testing.T) {
	p := &searchProcess{}
	printer, err := p.openOutput()
	require.NoError(t, err)
	defer p.closeOutput()
	defer printer.Close()
	print := func(from, to int) {
		for i := from; i < to; i++ {
			fmt.Fprintf(printer, "line %d\n", i)
		}
	}
	print(0, 3)
	p.forget()
	assert.Empty(t, p.text())
	print(3, 5)
	assert.Equal(t, "line 3\nline 4\n", p.text())
	p.forget()
	print(100_000, 110_000)
	text := p.text()
	assert.LessOrEqual(t, len(text), maxSearchOutput+100)
	assert.True(t, strings.HasPrefix(text, "line 100000\n"))
	assert.True(t, strings.HasSuffix(text, "\nline 109999\n"))
	assert.Regexp(t, `(?m)^\.\.\. \d+ bytes are left out here \.\.\.$`, text)
	p.forget()
	print(200_000, 300_000)
	p.forget()
	assert.Zero(t, p.size())
	print(7, 9)
	assert.Equal(t, "line 7\nline 8\n", p.text())
}

// The dump of a worker that is ended has the goroutines of the user's, those first
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

// A worker tells which faults there were, and carries out those that it is given.
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

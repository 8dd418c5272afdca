package simtest_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The contract tests run whole programs repeatedly and accept only identical traces.
// SIMTEST_LONG=1 asks for 1,000 bubbles of each program and number of processors.
// SIMTEST_CONTRACT_FILE names a file that outlives the process: each process adds its
// outcomes, and all must be the same, which compares a run with -race to one without.

// A simulation is a function to be simulated. It may record observations for
// comparison, if their order is certain.
type simulation func(t *testing.T, sim *simtest.Sim, note func(format string, args ...any))

// An outcome is the part of a run that must be the same in each run.
type outcome struct {
	digest string   // of the trace, to the very end of the simulation
	events int64    // in the trace
	notes  []string // by the simulation
}

// runOnce runs a simulation.
func runOnce(t *testing.T, cfg simtest.Config, f simulation) (o outcome) {
	t.Helper()
	var mu sync.Mutex
	var trace *simtest.Trace
	cfg.KeepPools = true // there are many runs
	cfg.Run(t, func(t *testing.T, sim *simtest.Sim) {
		trace = sim.Trace()
		f(t, sim, func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			o.notes = append(o.notes, fmt.Sprintf(format, args...))
		})
	})
	o.digest, o.events = trace.Digest(), trace.Len()
	return o
}

// processors are the numbers of processors on which simulations run.
var processors = []int{1, 2, 4}

// onProcessors calls f with each number of processors in turn.
func onProcessors(f func(n int)) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, n := range processors {
		runtime.GOMAXPROCS(n)
		f(n)
	}
}

// contractRuns returns the number of bubbles for each program and number of processors.
func contractRuns() int {
	return tier.Count(3, 1000)
}

// checkOneDigest runs a simulation many times and checks that all runs are identical.
func checkOneDigest(t *testing.T, cfg simtest.Config, f simulation) outcome {
	t.Helper()
	return checkOneDigestOf(t, contractRuns(), cfg, f)
}

// checkOneDigestOf is checkOneDigest with a given number of runs for each number of
// processors.
func checkOneDigestOf(t *testing.T, each int, cfg simtest.Config, f simulation) outcome {
	t.Helper()
	first := runOnce(t, cfg, f)
	require.NotZero(t, first.events)
	runs := 0
	onProcessors(func(n int) {
		for range each {
			require.Equal(t, first, runOnce(t, cfg, f), "run %d, with %d processors", runs, n)
			runs++
		}
	})
	t.Logf("%d runs, one digest of %d events: %s", runs, first.events, first.digest)
	checkOtherProcesses(t, first)
	return first
}

// checkOtherProcesses checks that other processes have the same outcomes.
func checkOtherProcesses(t *testing.T, o outcome) {
	t.Helper()
	path := os.Getenv("SIMTEST_CONTRACT_FILE")
	if path == "" {
		return
	}
	notes := sha256.Sum256([]byte(strings.Join(o.notes, "\n")))
	line := fmt.Sprintf("%s: %d events, %s, notes %x", t.Name(), o.events, o.digest, notes[:8])
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	_, err = file.WriteString(line + "\n")
	require.NoError(t, err)
	require.NoError(t, file.Close())
	text, err := os.ReadFile(path) // processes may run at the same time: the second one sees both lines
	require.NoError(t, err)
	for known := range strings.Lines(string(text)) {
		if strings.HasPrefix(known, t.Name()+": ") {
			assert.Equal(t, strings.TrimSpace(known), line, "what another process found")
		}
	}
}

// checkSeeds runs a simulation with many seeds, and checks that each seed has one order,
// different from the orders of all other seeds.
func checkSeeds(t *testing.T, cfg simtest.Config, f simulation) {
	t.Helper()
	seeds := tier.Count(3, 50)
	t.Setenv("SIMTEST_SEED", "") // which would replace every seed
	digests, orders := make(map[string]uint64), make(map[string]uint64)
	for cfg.Seed = range uint64(seeds) {
		var first outcome
		var firstOrder string
		onProcessors(func(n int) {
			o, order := runInOrder(t, cfg, f)
			if n == processors[0] {
				first, firstOrder = o, order
				return
			}
			require.Equal(t, first, o, "seed %d, with %d processors", cfg.Seed, n)
			require.Equal(t, firstOrder, order, "seed %d, with %d processors", cfg.Seed, n)
		})
		other, found := digests[first.digest]
		require.False(t, found, "seeds %d and %d give one digest", cfg.Seed, other)
		other, found = orders[firstOrder]
		require.False(t, found, "seeds %d and %d give one order", cfg.Seed, other)
		digests[first.digest], orders[firstOrder] = cfg.Seed, cfg.Seed
	}
}

// runInOrder runs a simulation and also returns the order of its events, without times.
func runInOrder(t *testing.T, cfg simtest.Config, f simulation) (o outcome, order string) {
	t.Helper()
	hash := sha256.New()
	cfg.Trace = func(e trace.Event) {
		e.At = 0
		fmt.Fprintln(hash, e)
	}
	o = runOnce(t, cfg, f)
	return o, fmt.Sprintf("%x", hash.Sum(nil))
}

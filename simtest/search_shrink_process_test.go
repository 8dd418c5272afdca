package simtest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/sweep"
	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/simtest"
)

// searchedShrinks are the programs of TestSearched for the tests of shrinking.
var searchedShrinks = map[string]func(t *testing.T){
	"shrinking": func(testT *testing.T) {
		t = testT
		ExampleSearch_shrinking()
	},
	"lost": func(t *testing.T) {
		simtest.Search{Seeds: 200, Chaos: simtest.DefaultChaos()}.Run(t, losesAHost)
	},
	"slow": func(t *testing.T) {
		var faults strings.Builder
		for at := range manyRestarts {
			fmt.Fprintf(&faults, "fault %ds restart a\n", at+1)
		}
		simtest.Search{Seeds: 2, Chaos: simtest.Chaos{Schedule: faults.String()}}.Run(t, takesItsTime)
	},
	"chance": func(t *testing.T) {
		simtest.Search{Seeds: 3}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			sim.Host("a")
			sim.Host("b")
			n := appendTo(t, fmt.Sprint("chance-", simtest.SeedOf(sim)), "x")
			time.Sleep(time.Duration(n) * time.Second)
			sim.Partition([]string{"a"}, []string{"b"})
			if simtest.SeedOf(sim) == 1 && n == 1 {
				t.Error("it fails by chance")
			}
		})
	},
}

const manyRestarts = 40

// takesItsTime is a simulation that takes some processor time, and fails if its host is
// restarted many times.
func takesItsTime(t *testing.T, sim *simtest.Sim) {
	appendTo(t, "slow", "x")
	starts, sum := 0, 0
	sim.Host("a").Run(func(ctx context.Context) error {
		starts++
		<-ctx.Done()
		return nil
	})
	for i := range 30_000_000 {
		sum += i
	}
	<-sim.Quiet()
	if simtest.SeedOf(sim) == 1 && starts > manyRestarts && sum > 0 {
		t.Error("it fails")
	}
}

// losesAHost is a simulation that fails if one of its hosts crashes while another is cut
// off. The environment variable bugVariable selects the way in which it fails.
func losesAHost(t *testing.T, sim *simtest.Sim) {
	bug := os.Getenv(bugVariable)
	lost := make(chan time.Duration, 100)
	for _, name := range []string{"a", "b", "c"} {
		sim.Host(name).Run(func(ctx context.Context) error {
			if <-ctx.Done(); context.Cause(ctx) == simtest.ErrCrashed && bug != "" {
				select {
				case lost <- sim.Elapsed():
				default:
				}
			}
			return nil
		})
	}
	for {
		select {
		case <-sim.Quiet():
			return
		case at := <-lost:
			if !simtest.IsCut(sim, "a", "b") && !simtest.IsCut(sim, "b", "c") {
				continue
			}
			switch bug {
			case "fatal":
				new(sync.Mutex).Unlock()
			case "panic":
				sim.Host("a").Go(func(context.Context) { panic(fmt.Sprint("lost after ", at)) })
			case "exit":
				os.Exit(0)
			case "hang":
				waitOutside()
			case "race":
				misfortunes[13](t, sim)
			}
			t.Errorf("a host is lost after %v", at)
			return
		}
	}
}

// lostWith runs a search of losesAHost with a bug, and returns the run and the group of
// failures found.
func lostWith(t *testing.T, bug string, words ...string) (searchRun, sweep.Group) {
	run := runSearch(t, "lost", append(words, bugVariable+"="+bug, "SIMTEST_SHRINK=5m")...)
	require.Error(t, run.err, run.output)
	require.Len(t, run.reports, 1)
	require.Len(t, run.reports[0].Groups, 1, run.output)
	return run, run.reports[0].Groups[0]
}

// A failure is shrunk to the same few faults however it ends its process, with any
// number of workers.
func TestSearchShrinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("on Windows, a killed process cannot be distinguished")
	}
	t.Parallel()
	bugs := map[string]string{
		"error": "a host is lost after 20s",
		"fatal": "fatal error: sync: unlock of unlocked mutex",
		"panic": "panic: lost after 20s",
		"exit":  "the process has ended: exit status 0, as by os.Exit(0)",
	}
	if raceEnabled {
		bugs["race"] = "DATA RACE"
	}
	for bug, message := range bugs {
		for _, processors := range tier.Pick([]int{2}, []int{1, 2, 4}) {
			run, g := lostWith(t, bug, fmt.Sprint("-test.cpu=", processors))
			assert.Equal(t, message, g.Message)
			assert.Equal(t, []string{"fault 20s partition a > b for 1ms", "fault 20s crash c for 1ms"}, faultLine.FindAllString(g.ReplayText, -1), "%s: %s", bug, run.output)
			assert.Regexp(t, `\ntest TestSearched\nseed 1\n(overlay .*\n)?quiet 21s\n`, g.ReplayText)
			text, err := os.ReadFile(g.Replay)
			require.NoError(t, err)
			assert.Equal(t, g.ReplayText, string(text))
			assert.Contains(t, run.output, "shrunk from 7 faults to 2.\n")
			assert.Contains(t, run.output, "fault 20s partition a > b for 1ms\n")
			assert.Contains(t, run.output, "SIMTEST_REPLAY="+g.Replay+" "+simtest.GoTestCommand()+" ")
			assert.Contains(t, run.output, "SIMTEST_SEED=1 "+simtest.GoTestCommand()+" ")
		}
	}
}

// Shrinking a failure leaves two traces: of the seed's run, and of the final run.
func TestSearchShrinksWithTraces(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	_, g := lostWith(t, "error", "-test.cpu=2", "SIMTEST_TRACE="+folder)
	hash := strings.TrimSuffix(filepath.Base(g.Replay), ".replay")
	assert.Contains(t, g.Output, filepath.Join(folder, "TestSearched-1-"+hash+".trace.gz"))
	names, err := filepath.Glob(filepath.Join(folder, "TestSearched-1*")) // other seeds may have failed as well
	require.NoError(t, err)
	assert.Equal(t, []string{filepath.Join(folder, "TestSearched-1-"+hash+".trace.gz"), filepath.Join(folder, "TestSearched-1.trace.gz")}, names)
}

var faultLine = regexp.MustCompile(`(?m)^fault .*`)

// Until the bug is fixed, the replay file that a search wrote fails on any number of
// processors, both by itself and when a search runs it before the seeds.
func TestSearchWritesFailures(t *testing.T) {
	t.Parallel()
	run, g := lostWith(t, "error", "-test.cpu=2")
	times := tier.Pick(3, 100)
	again := runSearchIn(t, run.folder, "lost", bugVariable+"=error", "SIMTEST_REPLAY="+g.Replay, fmt.Sprint("-test.count=", times), "-test.cpu=1,2,4")
	require.Error(t, again.err, again.output)
	assert.Equal(t, 3*times, strings.Count(again.output, "a host is lost after 20s"))
	assert.Equal(t, 3*times, strings.Count(again.output, "it is the same run as when the file was written."))

	again = runSearchIn(t, run.folder, "lost", bugVariable+"=error")
	require.Error(t, again.err, again.output)
	found := again.reports[len(again.reports)-1]
	assert.Empty(t, found.Ran, "no seed runs until the replay passes")
	assert.Equal(t, g.ID, found.Groups[0].ID)
	entries, err := os.ReadDir(filepath.Dir(g.Replay))
	require.NoError(t, err)
	assert.Len(t, entries, 1, "one failure has one file")

	again = runSearchIn(t, run.folder, "lost", "SIMTEST_SEEDS=3")
	require.NoError(t, again.err, again.output)
	assert.Contains(t, again.output, "1 replay file passed.")
}

// A random failure is reported as such, and is not shrunk.
func TestSearchThatIsNotDeterministic(t *testing.T) {
	t.Parallel()
	traces := t.TempDir()
	run := runSearch(t, "chance", "-test.cpu=2", "SIMTEST_SHRINK=5m", "SIMTEST_TRACE="+traces)
	require.Error(t, run.err, run.output)
	require.Len(t, run.reports, 1)
	g := run.reports[0].Groups[0]
	assert.Regexp(t, ` report --compare .*-first\.trace\.gz'? .*-second\.trace\.gz'? -o `, g.Note)
	kept, err := filepath.Glob(filepath.Join(traces, "*-[fs][ie]*[td].trace.gz"))
	require.NoError(t, err)
	assert.Len(t, kept, 2)
	parts, err := filepath.Glob(filepath.Join(traces, "*.part"))
	require.NoError(t, err)
	assert.Empty(t, parts)
	assert.Contains(t, g.Note, "It has not failed again with the same seed, so it is not deterministic, and no replay file is written.\nsimtest: two runs with one seed differ, from event 1 on\n")
	assert.Contains(t, run.output, "two runs with one seed differ")
	assert.NoDirExists(t, filepath.Join(run.folder, "replays"))
}

package simtest_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/sweep"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// The variables of TestSearched: which program to run, and a folder for reports of its
// processes.
const (
	searchedVariable = "SIMTEST_SEARCHED"
	folderVariable   = "SIMTEST_SEARCHED_FOLDER"
)

// TestSearched is a test with a search in it, for the tests that run it in a separate
// process.
func TestSearched(t *testing.T) {
	program := os.Getenv(searchedVariable)
	if program == "" {
		t.Skip("it is for other tests")
	}
	simtest.SetSeedTimeout(2 * time.Second)
	simtest.SetLookEvery(20 * time.Millisecond)
	fmt.Println("a line before the search")
	searched[program](t)
}

// searched are the programs of TestSearched.
var searched map[string]func(t *testing.T)

func init() {
	searched = maps.Clone(searchedSeeds)
	maps.Copy(searched, searchedWorkers)
	maps.Copy(searched, searchedReplays)
	maps.Copy(searched, searchedShrinks)
}

// searchedSeeds are the searched programs of this file's tests.
var searchedSeeds = map[string]func(t *testing.T){
	"pass": func(t *testing.T) {
		appendTo(t, "processors", fmt.Sprintln(runtime.GOMAXPROCS(0)))
		simtest.Search{Seeds: 40, Config: simtest.Config{Link: netem.Link{Latency: time.Millisecond}}}.Run(t, talk)
	},
	"stop": func(t *testing.T) {
		simtest.Search{Seeds: 1_000_000}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			if simtest.SeedOf(sim) >= 7 {
				t.Errorf("seed %d is too large", simtest.SeedOf(sim))
			}
		})
	},
	"several": func(t *testing.T) {
		run := func(t *testing.T, n int) {
			simtest.Search{Seeds: n}.Run(t, func(inner *testing.T, sim *simtest.Sim) {
				assert.Equal(inner, t.Name(), inner.Name())
				appendTo(inner, fmt.Sprint("ran-", n, "-", simtest.SeedOf(sim)), "x")
			})
		}
		run(t, 3)
		run(t, 4)
		t.Run("a subtest/with #1", func(t *testing.T) { run(t, 5) })
		t.Run("parallel", func(t *testing.T) { t.Parallel(); run(t, 6) })
		t.Run("parallel", func(t *testing.T) { t.Parallel(); run(t, 7) })
	},
	"chaos": func(t *testing.T) {
		simtest.Search{Seeds: 30, StopAfter: -1, Chaos: simtest.DefaultChaos()}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			for _, name := range []string{"a", "b", "c"} {
				sim.Host(name).Run(func(ctx context.Context) error {
					<-ctx.Done()
					return nil
				})
			}
			<-sim.Quiet()
			appendTo(t, fmt.Sprint("digest-", simtest.SeedOf(sim)), sim.Trace().Digest()+"\n")
			if simtest.SeedOf(sim)%10 == 3 {
				t.Error("it has not recovered")
			}
		})
	},
	"empty": func(t *testing.T) {
		simtest.Search{}.Run(t, func(t *testing.T, sim *simtest.Sim) {})
	},
	"poetry": func(t *testing.T) {
		simtest.Search{Config: simtest.Config{Link: netem.Link{Latency: 150 * ms}}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			slowPoetry(true)(t, sim, func(string, ...any) {})
		})
	},
	"stuck": func(t *testing.T) {
		simtest.SetSeedTimeout(time.Minute)
		simtest.Search{Seeds: 1000}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			if simtest.SeedOf(sim) >= 3 {
				appendTo(t, "stuck", fmt.Sprintln(os.Getpid()))
				waitOutside()
			}
		})
	},
}

// talk is a simulation of a few events, in an order that the seed decides.
func talk(t *testing.T, sim *simtest.Sim) {
	listener, err := sim.Host("server").Listen("tcp", ":1")
	require.NoError(t, err)
	for i := range 3 {
		host := sim.Host(fmt.Sprint("client", i))
		host.Go(func(context.Context) {
			conn, err := host.DialContext(t.Context(), "tcp", "server:1")
			if err == nil {
				_, _ = io.WriteString(conn, "hello")
			}
		})
	}
	for range 3 {
		conn, err := listener.Accept()
		require.NoError(t, err)
		_, err = io.ReadFull(conn, make([]byte, 5))
		require.NoError(t, err)
	}
}

// appendTo adds to a file in the folder of a test that runs TestSearched, and returns
// its new length.
func appendTo(t *testing.T, name, text string) int64 {
	file, err := os.OpenFile(filepath.Join(os.Getenv(folderVariable), name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
	require.NoError(t, err)
	defer file.Close()
	_, err = file.WriteString(text)
	require.NoError(t, err)
	info, err := file.Stat()
	require.NoError(t, err)
	return info.Size()
}

// A searchRun is the result of a process that ran TestSearched.
type searchRun struct {
	output  string
	err     error
	folder  string
	reports []sweep.Report
}

// searchCommand returns the command that runs a program of TestSearched.
func searchCommand(t testing.TB, program, folder string, arguments ...string) *exec.Cmd {
	arguments = append([]string{"-test.run=^TestSearched$", "-test.v", "-test.timeout=2m"}, arguments...)
	command := exec.CommandContext(t.Context(), os.Args[0], arguments...)
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "SIMTEST_") {
			command.Env = append(command.Env, variable)
		}
	}
	command.Env = append(command.Env, "GORACE=atexit_sleep_ms=0", searchedVariable+"="+program, folderVariable+"="+folder,
		"SIMTEST_REPORT="+filepath.Join(folder, "report"), "SIMTEST_REPLAYS="+filepath.Join(folder, "replays"), "SIMTEST_SHRINK=0")
	return command
}

// runSearch runs a program of TestSearched, with flags and variables.
func runSearch(t *testing.T, program string, words ...string) (run searchRun) {
	return runSearchIn(t, t.TempDir(), program, words...)
}

// runSearchIn is runSearch in a given folder, which may contain files.
func runSearchIn(t *testing.T, folder, program string, words ...string) (run searchRun) {
	run.folder = folder
	command := searchCommand(t, program, run.folder)
	for _, word := range words {
		if strings.HasPrefix(word, "-") {
			command.Args = append(command.Args, word)
		} else {
			command.Env = append(command.Env, word)
		}
	}
	output, err := command.CombinedOutput()
	run.output, run.err = string(output), err
	if file, err := os.Open(filepath.Join(run.folder, "report")); err == nil {
		defer file.Close()
		run.reports, err = sweep.Read(file)
		if err != nil {
			run.output += "\nthe report: " + err.Error()
		}
	}
	return run
}

// A search of seeds that pass runs each of them once, and logs its results.
func TestSearchPasses(t *testing.T) {
	t.Parallel()
	run := runSearch(t, "pass", "-test.cpu=2")
	require.NoError(t, run.err, run.output)
	assert.Regexp(t, `simtest: 40 seeds in \S+ with 2 workers, \S+ a second, \S+ of simulated time\n\s+Seeds: 0-39\.\n\s+\d+ distinct traces of \d+ shapes; seed \d+ had the newest shape\.`, run.output)
	require.Len(t, run.reports, 1)
	text, err := os.ReadFile(filepath.Join(run.folder, "processors"))
	require.NoError(t, err)
	assert.Equal(t, "2\n2\n2\n", string(text), "the test's own process and two workers, as -cpu says")
	report := run.reports[0]
	assert.Equal(t, []sweep.Range{{First: 0, Last: 39}}, report.Ran)
	assert.Equal(t, "github.com/slowpoetry/slowpoetry/simtest", report.Package)
	assert.Equal(t, "TestSearched", report.Test)
	assert.Empty(t, report.Ended)
	assert.Zero(t, report.Failed)
	traces, _ := report.Traces.Count()
	shapes, _ := report.Shapes.Count()
	assert.Greater(t, traces, 1)
	assert.LessOrEqual(t, shapes, traces)
}

// If a schedule needs a layer of the overlay that is off, no seed runs, and no replay file
// is written.
func TestSearchWithoutTheOverlay(t *testing.T) {
	t.Parallel()
	run := runSearch(t, "crash", "SIMTEST_SCHEDULE=5", "SIMTEST_OVERLAY=none", "SIMTEST_SHRINK=1m")
	require.Error(t, run.err, run.output)
	assert.NoFileExists(t, filepath.Join(run.folder, "ran"))
	assert.Equal(t, 1, strings.Count(run.output, `simtest: schedule 5 needs the overlay's order layer, but SIMTEST_OVERLAY is "none"`), run.output)
	assert.NoDirExists(t, filepath.Join(run.folder, "replays"))
}

// A search stops when it has found enough failures.
func TestSearchStops(t *testing.T) {
	t.Parallel()
	run := runSearch(t, "stop", "-test.cpu=2")
	require.Error(t, run.err, run.output)
	require.Len(t, run.reports, 1)
	assert.Regexp(t, `The search has ended after \d+ of 1000000: found 1 failure, as Search.StopAfter says\.`, run.output)
	assert.Less(t, run.reports[0].Seeds(), uint64(100))
	assert.EqualValues(t, 7, run.reports[0].Groups[0].First())
	run = runSearch(t, "stop", "SIMTEST_SEED=9")
	require.Error(t, run.err, run.output)
	assert.Contains(t, run.output, "seed 9 is too large")
	assert.Equal(t, 1, strings.Count(run.output, "a line before"), "it runs in the test's own process")
	assert.Empty(t, run.reports)
	run = runSearch(t, "pass", "-test.fuzz=^FuzzNothing$", "-test.fuzzcachedir="+t.TempDir())
	require.NoError(t, run.err, run.output)
	assert.Equal(t, 1, strings.Count(run.output, "a line before"), "so it runs while go test -fuzz runs")
	assert.Empty(t, run.reports)
	run = runSearch(t, "pass", "SIMTEST_SEEDS=1")
	require.NoError(t, run.err, run.output)
	text, err := os.ReadFile(filepath.Join(run.folder, "processors"))
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(string(text), "\n1\n"), "one for each worker without -cpu: %s", text)
	run = runSearch(t, "stop", "SIMTEST_TIME=1m", "SIMTEST_SEEDS=2-6")
	require.NoError(t, run.err, run.output)
	require.Len(t, run.reports, 1)
	assert.Equal(t, []sweep.Range{{First: 2, Last: 6}}, run.reports[0].Ran)
}

// Several searches of one test, in subtests and in parallel ones, are distinguished,
// even if the test runs several times.
func TestSearchSeveral(t *testing.T) {
	t.Parallel()
	run := runSearch(t, "several", "-test.count=2", "-test.cpu=1,2")
	require.NoError(t, run.err, run.output)
	for _, n := range []int{3, 4, 5, 6, 7} {
		for seed := range n {
			text, err := os.ReadFile(filepath.Join(run.folder, fmt.Sprintf("ran-%d-%d", n, seed)))
			require.NoError(t, err)
			assert.Equal(t, "xxxx", string(text), "the search of %d seeds, seed %d", n, seed)
		}
		matches, err := filepath.Glob(filepath.Join(run.folder, fmt.Sprintf("ran-%d-*", n)))
		require.NoError(t, err)
		assert.Len(t, matches, n)
	}
	var names []string
	for _, report := range run.reports {
		names = append(names, fmt.Sprint(report.Test, " ", report.Search))
	}
	slices.Sort(names)
	assert.Equal(t, []string{"TestSearched 1", "TestSearched 2", "TestSearched/a_subtest/with_#1 1", "TestSearched/parallel 1", "TestSearched/parallel#01 1"}, slices.Compact(names))
	assert.Len(t, names, 20)
}

// A search draws faults for each seed, and prints the faults of a failed seed. The
// seed has the same faults in the test's own process.
func TestSearchChaos(t *testing.T) {
	t.Parallel()
	run := runSearch(t, "chaos")
	require.Error(t, run.err, run.output)
	require.Len(t, run.reports, 1)
	traces, _ := run.reports[0].Traces.Count()
	assert.Greater(t, traces, 25)
	require.Len(t, run.reports[0].Groups, 1)
	g := run.reports[0].Groups[0]
	assert.Equal(t, []uint64{3, 13, 23}, g.Seeds)
	assert.Equal(t, "it has not recovered", g.Message)
	assert.Regexp(t, `(?m)^ +fault \S+ \w+`, g.Output)
	digest, err := os.ReadFile(filepath.Join(run.folder, "digest-13"))
	require.NoError(t, err)
	again := runSearch(t, "chaos", "SIMTEST_SEED=13")
	require.Error(t, again.err)
	assert.Contains(t, again.output, "it has not recovered")
	same, err := os.ReadFile(filepath.Join(again.folder, "digest-13"))
	require.NoError(t, err)
	assert.Equal(t, string(digest), string(same))
}

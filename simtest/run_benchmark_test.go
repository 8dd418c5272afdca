package simtest_test

import (
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// BenchmarkRunB does what the environment variable of TestRunB requests.
func BenchmarkRunB(b *testing.B) {
	what := os.Getenv("SIMTEST_RUNB")
	if what == "" {
		b.Skip("it is for TestRunB")
	}
	simulate := func(t *testing.T, sim *simtest.Sim) {
		assert.Equal(t, b.Name()+"/loop", t.Name())
		assert.Zero(t, sim.Elapsed())
		time.Sleep(time.Hour)
		switch what {
		case "error":
			t.Error("an error of the simulation's")
		case "fatal":
			t.Fatal("an error of the simulation's")
		case "hang":
			select {}
		case "skip":
			t.Skip("no reason")
		case "log":
			t.Log("a word")
		}
	}
	b.Run("loop", func(b *testing.B) {
		for range b.N { // with b.Loop, package testing sets the first number of processors late
			simtest.Config{Seed: 7, KeepPools: true}.RunB(b, simulate)
			b.ReportMetric(float64(runtime.GOMAXPROCS(0)), "processors")
		}
	})
}

// RunB runs a simulation in a benchmark, once per call, regardless of flags. A failure
// fails the benchmark, and its report says what failed and how to run it again.
func TestRunB(t *testing.T) {
	run := func(what string, flags ...string) (output string, err error) {
		args := append([]string{"-test.run=^$", "-test.bench=^BenchmarkRunB$", "-test.benchtime=20x", "-test.timeout=1m"}, flags...)
		command := exec.CommandContext(t.Context(), os.Args[0], args...)
		command.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", "SIMTEST_RUNB="+what, "SIMTEST_SEED=")
		out, err := command.CombinedOutput()
		return string(out), err
	}
	for _, flags := range [][]string{{}, {"-test.count=2"}, {"-test.v"}, {"-test.skip=^TestRunB$"}, {"-test.failfast"}} {
		output, err := run("log", flags...)
		require.NoError(t, err, output)
		assert.Regexp(t, `(?m)^BenchmarkRunB/loop(-\d+)?\s+20\s`, output)
		assert.NotContains(t, output, "a word")
		assert.NotContains(t, output, "--- PASS")
	}
	output, err := run("log", "-test.cpu=1,2", "-test.count=2")
	require.NoError(t, err, output)
	assert.Len(t, regexp.MustCompile(`(?m)^BenchmarkRunB/loop\s+20\s.*\s1\.000 processors`).FindAllString(output, -1), 2, output)
	assert.Len(t, regexp.MustCompile(`(?m)^BenchmarkRunB/loop-2\s+20\s.*\s2\.000 processors`).FindAllString(output, -1), 2, output)
	for what, text := range map[string]string{
		"error": "an error of the simulation's",
		"fatal": "an error of the simulation's",
		"hang":  "goroutines that still run",
	} {
		output, err := run(what)
		require.Error(t, err, output)
		assert.Equal(t, 1, strings.Count(output, text), output)
		assert.Contains(t, output, "--- FAIL: BenchmarkRunB/loop")
		assert.Contains(t, output, "the simulation has failed, see above")
		assert.Contains(t, output, "-bench '^BenchmarkRunB$/^loop$' -count=1")
	}
	output, err = run("skip", "-test.v")
	require.NoError(t, err, output)
	assert.Contains(t, output, "--- SKIP: BenchmarkRunB/loop")
}

// RunB panics at once without a function.
func TestRunBNothing(t *testing.T) {
	b := new(testing.B)
	assert.PanicsWithValue(t, "simtest: RunB needs a function to run", func() { simtest.Config{}.RunB(b, nil) })
	assert.Panics(t, func() { simtest.Config{Window: -1}.RunB(b, func(*testing.T, *simtest.Sim) {}) })
}

package simtest

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/sweep"
)

// planOf returns a search's plan for the given variables.
func planOf(s Search, variables map[string]string) (*searchPlan, error) {
	return s.plan(func(name string) string { return variables[name] })
}

// seedsOf returns the seeds that a search runs, the first hundred thousand of them.
func seedsOf(t *testing.T, s Search, variables map[string]string) (seeds []uint64) {
	p, err := planOf(s, variables)
	require.NoError(t, err)
	for seed := range p.seeds() {
		if seeds = append(seeds, seed); len(seeds) == 100_000 {
			break
		}
	}
	if n := p.count(); n > 0 {
		assert.EqualValues(t, n, len(seeds))
	}
	return seeds
}

func TestSearchPlan(t *testing.T) {
	assert.Len(t, seedsOf(t, Search{}, nil), 100)
	assert.Equal(t, []uint64{5, 6, 7}, seedsOf(t, Search{Seeds: 3, Config: Config{Seed: 5}}, nil))
	assert.Equal(t, []uint64{5, 6}, seedsOf(t, Search{Seeds: 3, Config: Config{Seed: 5}}, map[string]string{"SIMTEST_SEEDS": "2"}))
	assert.Equal(t, []uint64{9, 10, 11}, seedsOf(t, Search{Config: Config{Seed: 5}}, map[string]string{"SIMTEST_SEEDS": "9-11"}))
	assert.Equal(t, []uint64{math.MaxUint64 - 1, math.MaxUint64}, seedsOf(t, Search{Seeds: 5, Config: Config{Seed: math.MaxUint64 - 1}}, nil))
	assert.Len(t, seedsOf(t, Search{}, map[string]string{"SIMTEST_TIME": "1h"}), 100_000, "without an end")
	assert.Len(t, seedsOf(t, Search{}, map[string]string{"SIMTEST_TIME": "1h", "SIMTEST_SEEDS": "7"}), 7)
	assert.Equal(t, []uint64{42}, seedsOf(t, Search{}, map[string]string{"SIMTEST_SEED": "42", "SIMTEST_SHARD": "1/2", "SIMTEST_SEEDS": "5"}))
	p, err := planOf(Search{}, map[string]string{"SIMTEST_SEED": "42"})
	require.NoError(t, err)
	assert.True(t, p.ownProcess)
	p, err = planOf(Search{}, map[string]string{"SIMTEST_TIME": "90m"})
	require.NoError(t, err)
	assert.False(t, p.ownProcess)
	assert.False(t, p.timeIsUp())
	assert.WithinDuration(t, time.Now().Add(90*time.Minute), p.until, time.Minute)
}

// The shards of any number of machines cover all seeds, each once.
func TestSearchShards(t *testing.T) {
	for _, total := range []string{"1", "2", "3", "16", "1000"} {
		for _, range_ := range []string{"100", "500-517", "7-7", "18446744073709551600-18446744073709551615"} {
			var all []uint64
			n := 0
			for machine := range map[string]int{"1": 1, "2": 2, "3": 3, "16": 16, "1000": 1000}[total] {
				n++
				variables := map[string]string{"SIMTEST_SEEDS": range_, "SIMTEST_SHARD": decimal(machine+1) + "/" + total}
				all = append(all, seedsOf(t, Search{}, variables)...)
			}
			slices.Sort(all)
			assert.Equal(t, seedsOf(t, Search{}, map[string]string{"SIMTEST_SEEDS": range_}), all, "%s of %d", range_, n)
		}
	}
}

func decimal(n int) string { return sweep.Range{First: uint64(n), Last: uint64(n)}.String() }

// Each CI system's variables select the same shard.
func TestSearchShardAuto(t *testing.T) {
	third := sweep.Shard{Index: 3, Total: 16}
	for _, c := range []struct {
		variables map[string]string
		want      sweep.Shard
	}{
		{map[string]string{"CI_NODE_INDEX": "3", "CI_NODE_TOTAL": "16"}, third},
		{map[string]string{"BUILDKITE_PARALLEL_JOB": "2", "BUILDKITE_PARALLEL_JOB_COUNT": "16"}, third},
		{map[string]string{"CIRCLE_NODE_INDEX": "2", "CIRCLE_NODE_TOTAL": "16"}, third},
		{map[string]string{"CI_NODE_TOTAL": "1"}, sweep.Shard{Index: 1, Total: 1}},
	} {
		p, err := planOf(Search{}, c.variables)
		require.NoError(t, err)
		assert.Zero(t, p.shard, "nothing is shared out unasked")
		c.variables["SIMTEST_SHARD"] = "auto"
		p, err = planOf(Search{}, c.variables)
		require.NoError(t, err)
		assert.Equal(t, c.want, p.shard)
	}
}

// An invalid value is an error that names the variable and says how to fix it.
func TestSearchPlanGarbage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o666))
	for name, values := range map[string][]string{
		"SIMTEST_SEEDS":   {"0", "-1", "x", "1.5", "9-5", "5-", "-5", "5-6-7", "99999999999999999999", "1-99999999999999999999", " 5", "1e3"},
		"SIMTEST_TIME":    {"0", "10", "-5s", "x", "0s", "5 m"},
		"SIMTEST_SHARD":   {"0/5", "6/5", "5", "1/0", "/", "a/b", "-1/5", "1/5/7", "1/99999999999", "AUTO", "auto"},
		"SIMTEST_REPORT":  {filepath.Join(file, "report"), filepath.Dir(file), filepath.Join(t.TempDir(), "missing", "report")},
		"SIMTEST_TRACE":   {file, filepath.Join(file, "traces")},
		"SIMTEST_REPLAYS": {file},
		"SIMTEST_SEED":    {"x", "-1"},
	} {
		for _, value := range values {
			_, err := planOf(Search{}, map[string]string{name: value})
			require.Error(t, err, "%s=%s", name, value)
			assert.Regexp(t, "^"+name+" is .*: set .*, or unset it$", err.Error())
		}
	}
	for _, variables := range []map[string]string{
		{"CI_NODE_INDEX": "0", "CI_NODE_TOTAL": "16"},
		{"CI_NODE_INDEX": "3"},
		{"BUILDKITE_PARALLEL_JOB": "16", "BUILDKITE_PARALLEL_JOB_COUNT": "16"},
		{"CIRCLE_NODE_INDEX": "x", "CIRCLE_NODE_TOTAL": "16"},
		{"CIRCLE_NODE_INDEX": "0", "CIRCLE_NODE_TOTAL": "16", "CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "16"},
	} {
		variables["SIMTEST_SHARD"] = "auto"
		_, err := planOf(Search{}, variables)
		require.Error(t, err, variables)
		assert.Regexp(t, `^SIMTEST_SHARD is auto, but .*: set .*, or unset it$`, err.Error())
	}
}

// The overlay's variables must be valid, and the layer that a schedule needs must be on.
func TestSearchPlanWithoutTheOverlay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		search    Search
		variables map[string]string
		want      string
	}{
		{Search{}, map[string]string{"SIMTEST_OVERLAY": "foo"}, `SIMTEST_OVERLAY is "foo", and there is no layer "foo": set it to `},
		{Search{}, map[string]string{"SIMTEST_SCHEDULE": "x"}, `SIMTEST_SCHEDULE is "x", which is not a seed: set it to `},
		{Search{}, map[string]string{"SIMTEST_SCHEDULE": "5", "SIMTEST_OVERLAY": "none"}, `schedule 5 needs the overlay's order layer, but SIMTEST_OVERLAY is "none": add order to it, `},
		{Search{Config: Config{Schedule: 6}}, map[string]string{"SIMTEST_OVERLAY": "none"}, `schedule 6 needs the overlay's order layer, but SIMTEST_OVERLAY is "none": add order to it, `},
		{Search{}, map[string]string{"SIMTEST_SCHEDULE": "5", "SIMTEST_OVERLAY": "none", "SIMTEST_SEED": "3"}, "schedule 5 needs the overlay's order layer"},
		{Search{}, map[string]string{"SIMTEST_SCHEDULE": "5", "SIMTEST_OVERLAY": "none", "SIMTEST_REPLAY": "x"}, "schedule 5 needs the overlay's order layer"},
	} {
		_, err := planOf(c.search, c.variables)
		require.Error(t, err, c.variables)
		assert.Regexp(t, "^"+regexp.QuoteMeta(c.want), err.Error())
	}
	_, err := planOf(Search{Config: Config{Schedule: 6}}, map[string]string{"SIMTEST_OVERLAY": "none", "SIMTEST_REPLAY": "x"})
	require.NoError(t, err, "a replay has its own schedule")
}

// The name of a report's file can contain the package.
func TestSearchReportFile(t *testing.T) {
	name, err := reportFile(filepath.Join(t.TempDir(), "%p.json"))
	require.NoError(t, err)
	assert.Equal(t, "github.com.slowpoetry.slowpoetry.simtest.json", filepath.Base(name))
}

// An invalid search panics.
func TestSearchInvalid(t *testing.T) {
	assert.Panics(t, func() { Search{Seeds: -1}.Run(t, func(*testing.T, *Sim) {}) })
	assert.Panics(t, func() { Search{Config: Config{Window: -1}}.Run(t, func(*testing.T, *Sim) {}) })
	assert.PanicsWithValue(t, "simtest: Search.Chaos.AtOnce is -1: it must be 1 or more, or 0 for 3", func() { Search{Chaos: Chaos{AtOnce: -1}}.Run(t, func(*testing.T, *Sim) {}) })
	assert.PanicsWithValue(t, "simtest: Search.Run needs a function to run", func() { Search{}.Run(t, nil) })
	Config{}.Run(t, func(t *testing.T, sim *Sim) {
		assert.PanicsWithValue(t, "simtest: Search.Run was called in a simulation: call it in the test itself", func() {
			Search{}.Run(t, func(*testing.T, *Sim) {})
		})
	})
}

// A worker's child is not a worker, although it has the variable.
func TestWorkerVariable(t *testing.T) {
	w := &searchWorker{test: "TestX/a:b", number: 2, memory: 7}
	assert.Equal(t, "SIMTEST_WORKER="+decimal(os.Getpid())+":3:4:2:7:TestX/a:b", w.variable(3, 4))
	assert.Nil(t, thisWorker())
	for _, text := range []string{"", "x", decimal(os.Getpid()) + ":3:4:2:7:TestX", "1:x:4:2:7:TestX", "1:3:4:2"} {
		assert.Nil(t, workerOf(text, 1), "it would use files that are not its own")
	}
	assert.Equal(t, []string{"A=1", "GORACE=atexit_sleep_ms=0 halt_on_error=1"},
		workerEnvironment([]string{"A=1", "GORACE=halt_on_error=1", "SIMTEST_WORKER=1:3:4:1:7:TestX"}))
}

// A debugged process is recognized by its status.
func TestHasTracer(t *testing.T) {
	assert.True(t, hasTracer("Name:\tx\nTracerPid:\t4711\nUid:\t0\n"))
	assert.False(t, hasTracer("Name:\tx\nTracerPid:\t0\nUid:\t0\n"))
	assert.False(t, hasTracer("Name:\tx\n"))
}

package simtest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/sweep"
	"github.com/slowpoetry/slowpoetry/simtest"
)

// searchedWorkers are the programs of this file's tests.
var searchedWorkers = map[string]func(t *testing.T){
	"misfortunes": func(t *testing.T) {
		simtest.Search{Seeds: len(misfortunes), StopAfter: -1, Memory: 400 << 20}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			fmt.Println("a line on standard output")
			t.Log("seed", simtest.SeedOf(sim), "begins")
			misfortunes[simtest.SeedOf(sim)](t, sim)
		})
	},
	"not reached": func(t *testing.T) {
		if os.Getppid() == parentOfSearch(t) {
			t.Fatal("no search today")
		}
		simtest.Search{}.Run(t, talk)
	},
	"pools": func(t *testing.T) {
		simtest.Search{Seeds: 6}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			c, ok := pooled.Get().(chan int)
			if !ok {
				c = make(chan int, 1)
			}
			c <- 1
			<-c
			pooled.Put(c)
		})
	},
	"outer": func(outer *testing.T) {
		simtest.Search{Seeds: 3, StopAfter: -1}.Run(outer, func(t *testing.T, sim *simtest.Sim) {
			if simtest.SeedOf(sim) == 1 {
				outer.Error("the wrong test fails")
			}
		})
	},
	"skip": func(t *testing.T) {
		simtest.Search{Seeds: 3}.Run(t, func(t *testing.T, sim *simtest.Sim) { t.Skip("not here") })
	},
	"fresh": func(t *testing.T) {
		require.FileExists(t, "search.go", "workers start where the test has started")
		t.Chdir(t.TempDir())
		simtest.Search{Seeds: 4, Fresh: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			counted++
			assert.Equal(t, 1, counted)
		})
	},
}

var (
	pooled  sync.Pool
	counted int
)

// misfortunes are the failures of seeds, by seed.
var misfortunes = []func(t *testing.T, sim *simtest.Sim){
	func(t *testing.T, sim *simtest.Sim) {},
	readWrongly,
	readWrongly,
	func(t *testing.T, sim *simtest.Sim) { assert.Equal(t, 3, 4, "in round %d", 7) },
	func(t *testing.T, sim *simtest.Sim) {
		sim.Host("a").Go(func(context.Context) { panic(fmt.Sprint("a bug of seed ", 4)) })
		time.Sleep(time.Second)
	},
	func(t *testing.T, sim *simtest.Sim) { new(sync.Mutex).Unlock() },
	func(t *testing.T, sim *simtest.Sim) { os.Exit(0) },
	func(t *testing.T, sim *simtest.Sim) { waitOutside() },
	func(t *testing.T, sim *simtest.Sim) {
		for {
			hoard = append(hoard, make([]byte, 64<<20))
			for i := 0; i < 64<<20; i += 4096 {
				hoard[len(hoard)-1][i] = 1
			}
		}
	},
	func(t *testing.T, sim *simtest.Sim) {
		done, failNow := make(chan struct{}), t.FailNow
		go func() { defer close(done); t.Log("now"); failNow() }()
		<-done
	},
	func(t *testing.T, sim *simtest.Sim) { select {} },
	func(t *testing.T, sim *simtest.Sim) { panic("a bug of the test's own") },
	func(t *testing.T, sim *simtest.Sim) { // is killed, but only once
		if appendTo(t, "killed", "x") == 1 {
			process, _ := os.FindProcess(os.Getpid())
			_ = process.Kill()
			waitOutside()
		}
	},
	func(t *testing.T, sim *simtest.Sim) {
		n := 0
		done := make(chan struct{})
		go func() { defer close(done); n++ }()
		n++
		<-done
	},
	func(t *testing.T, sim *simtest.Sim) {
		var mu sync.Mutex
		mu.Lock()
		go mu.Lock()
		time.Sleep(time.Second)
	},
	func(t *testing.T, sim *simtest.Sim) {},
}

var hoard [][]byte

func readWrongly(t *testing.T, sim *simtest.Sim) {
	t.Errorf("read %d, want %d", simtest.SeedOf(sim), simtest.SeedOf(sim)+1)
}

// waitOutside waits forever for something outside the simulation.
func waitOutside() {
	r, w, err := os.Pipe()
	if err == nil {
		_, _ = r.Read(make([]byte, 1))
	}
	runtime.KeepAlive(w)
}

// parentOfSearch returns the first process that called it.
func parentOfSearch(t *testing.T) (pid int) {
	name := filepath.Join(os.Getenv(folderVariable), "parent")
	text, err := os.ReadFile(name)
	if err != nil {
		require.NoError(t, os.WriteFile(name, []byte(fmt.Sprint(os.Getpid())), 0o666))
	}
	_, _ = fmt.Sscan(string(text), &pid)
	return pid
}

// However a seed fails, exactly that seed is reported, with its output.
func TestSearchReportsEachFailure(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a killed process cannot be distinguished there")
	}
	t.Parallel()
	run := runSearch(t, "misfortunes")
	require.Error(t, run.err, run.output)
	require.Len(t, run.reports, 1)
	report := run.reports[0]
	assert.Equal(t, []sweep.Range{{First: 0, Last: uint64(len(misfortunes) - 1)}}, report.Ran, "each seed once")
	want := []struct {
		message, place, output string
		seeds                  []uint64
	}{
		{"read 1, want 2", "search_worker_test.go", "", []uint64{1, 2}},
		{"Not equal: in round 7", "search_worker_test.go", "expected: 3", []uint64{3}},
		{"panic: a bug of seed 4", "search_worker_test.go", "goroutine", []uint64{4}},
		{"fatal error: sync: unlock of unlocked mutex", "search_worker_test.go", "goroutine", []uint64{5}},
		{"the process has ended: exit status 0, as by os.Exit(0)", "", "seed 6 begins", []uint64{6}},
		{"it has not ended after ", "search_worker_test.go", "goroutine", []uint64{7}},
		{"it uses ", "search_worker_test.go", "goroutine", []uint64{8}},
		{"now", "search_worker_test.go", "", []uint64{9}},
		{"simtest: stopped after ", "", "", []uint64{10}},
		{"panic: a bug of the test's own", "search_worker_test.go", "goroutine", []uint64{11}},
		{"simtest: everything is blocked forever because of a mutex", "", "a goroutine waits for a mutex", []uint64{14}},
	}
	if simtest.Overlay().Time { // time goes on while a goroutine waits for a mutex
		want[len(want)-1].message, want[len(want)-1].output = "simtest: goroutines that still run 1m0s after the simulation has ended:", "1 in sync.Mutex.Lock: "
	}
	if raceEnabled {
		want = slices.Insert(want, len(want)-1, struct {
			message, place, output string
			seeds                  []uint64
		}{"DATA RACE", "search_worker_test.go", "WARNING: DATA RACE", []uint64{13}})
	}
	if !assert.Len(t, report.Groups, len(want)) {
		for _, g := range report.Groups {
			t.Log(g.Seeds, g.Message, g.Place)
		}
		return
	}
	for i, w := range want {
		g := report.Groups[i]
		assert.Equal(t, w.seeds, g.Seeds)
		assert.True(t, strings.HasPrefix(g.Message, w.message), "%s, want %s", g.Message, w.message)
		if w.place == "" {
			assert.Empty(t, g.Place, g.Message)
		} else {
			assert.Contains(t, g.Place, w.place+":", g.Message)
		}
		assert.Contains(t, g.Output, w.output, g.Message)
		assert.Contains(t, g.Output, fmt.Sprintf("seed %d begins", g.First()))
		assert.Contains(t, g.Output, "a line on standard output")
		assert.NotContains(t, g.Output, fmt.Sprintf("seed %d begins", g.First()-1))
		assert.NotContains(t, g.Output, "a line before the search")
		assert.Contains(t, g.Rerun, fmt.Sprintf("SIMTEST_SEED=%d %s", g.First(), simtest.GoTestCommand()))
		assert.Contains(t, run.output, g.Rerun)
	}
	text, err := os.ReadFile(filepath.Join(run.folder, "killed"))
	require.NoError(t, err)
	assert.Equal(t, "xx", string(text), "the seed whose worker was killed has run again")
}

// Errors of the test, rather than of a seed, are reported as such.
func TestSearchMistakes(t *testing.T) {
	t.Parallel()
	run := runSearch(t, "not reached")
	require.Error(t, run.err, run.output)
	assert.Contains(t, run.output, "simtest: a worker process did not reach Search.Run: the process has ended: exit status 1.")
	assert.Contains(t, run.output, "no search today")
	run = runSearch(t, "outer")
	require.Error(t, run.err, run.output)
	require.Len(t, run.reports, 1)
	assert.Equal(t, []uint64{1}, run.reports[0].Groups[0].Seeds)
	run = runSearch(t, "skip")
	require.NoError(t, run.err, run.output)
	assert.Contains(t, run.output, "--- SKIP: TestSearched")
	for variable, what := range map[string]string{"SIMTEST_SEEDS=x": "a number", "SIMTEST_TIME=5m": "-timeout", "SIMTEST_SEED=-1": "a whole number"} {
		run = runSearch(t, "pass", variable, "-test.timeout=1m")
		require.Error(t, run.err, run.output)
		name, _, _ := strings.Cut(variable, "=")
		assert.Contains(t, run.output, "simtest: "+name+" is ")
		assert.Contains(t, run.output, what)
		assert.Empty(t, run.reports)
	}
}

// Workers keep pools until a worker crashes because of a pool.
func TestSearchPools(t *testing.T) {
	t.Parallel()
	run := runSearch(t, "pools", "-test.cpu=1")
	require.NoError(t, run.err, run.output)
	if simtest.Overlay().Time { // pools keep nothing
		assert.NotContains(t, run.output, "pools were emptied")
	} else {
		assert.Contains(t, run.output, "pools were emptied")
	}
	require.Len(t, run.reports, 1)
	assert.EqualValues(t, 6, run.reports[0].Seeds())
	run = runSearch(t, "fresh")
	require.NoError(t, run.err, run.output)
}

package simtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/sweep"
)

// A fakeServer is a fake worker process.
type fakeServer struct {
	search *fakeSearch
	done   int
	spent  bool
	closed bool
	giveUp <-chan struct{} // closed when its job is given up
}

// A fakeSearch is a search whose workers are fakes.
type fakeSearch struct {
	*searchRun
	outcome func(job searchJob, server *fakeServer) searchOutcome

	mu      sync.Mutex
	jobs    []searchJob
	servers []*fakeServer
}

func (s *fakeServer) do(job searchJob, giveUp <-chan struct{}) searchOutcome {
	s.search.mu.Lock()
	s.search.jobs = append(s.search.jobs, job)
	s.search.mu.Unlock()
	s.giveUp = giveUp
	o := s.search.outcome(job, s)
	o.Seed = job.Seed
	s.done++
	return o
}

func (s *fakeServer) close() { s.closed = true }

// searchRunWith runs a search with fake workers, whose results outcome returns.
func searchRunWith(t *testing.T, s Search, variables map[string]string, workers int, outcome func(job searchJob, server *fakeServer) searchOutcome) *fakeSearch {
	h := searchRunOf(t, s, variables, outcome)
	h.run(workers)
	for _, server := range h.servers {
		assert.True(t, server.closed, "no process is left")
	}
	return h
}

// searchRunOf returns a search that has not run yet.
func searchRunOf(t *testing.T, s Search, variables map[string]string, outcome func(job searchJob, server *fakeServer) searchOutcome) *fakeSearch {
	plan, err := planOf(s, variables)
	require.NoError(t, err)
	h := &fakeSearch{searchRun: newSearchRun(&s, plan, "TestX", 1), outcome: outcome}
	h.launch = func(<-chan struct{}) (searchServer, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.servers = append(h.servers, &fakeServer{search: h})
		return h.servers[len(h.servers)-1], nil
	}
	h.again = func(variable, value string) string { return fmt.Sprintf("%s=%s run", variable, value) }
	h.againReplay = func(r *namedReplay) string { return h.again(replayVariable, r.name) }
	h.grace = 20 * time.Millisecond
	if s.Shrink == 0 && variables["SIMTEST_SHRINK"] == "" {
		h.plan.shrink = 0
	}
	return h
}

// seedsDone returns the seeds that were given to workers, in their order.
func (h *fakeSearch) seedsDone() (seeds []uint64) {
	for _, job := range h.jobs {
		seeds = append(seeds, job.Seed)
	}
	return seeds
}

func passed(searchJob, *fakeServer) searchOutcome {
	return searchOutcome{searchResult: searchResult{Traced: true, Simulated: time.Second}}
}

func failedWith(message string) searchOutcome {
	return searchOutcome{searchResult: searchResult{Failed: true}, output: "    x.go:1: " + message + "\n"}
}

// The progress, and the summary at the end, name long-running jobs.
func TestSearchRunNamesUnfinishedSeeds(t *testing.T) {
	for long, want := range map[time.Duration][]string{
		0:         {"Seed 2 had not ended after 0s of real time. To run it again:\nSIMTEST_SEED=2 run"},
		time.Hour: nil,
	} {
		var h *fakeSearch
		h = searchRunOf(t, Search{Seeds: 5}, nil, func(job searchJob, server *fakeServer) searchOutcome {
			if job.Seed == 2 {
				assert.Equal(t, long == 0, strings.HasSuffix(h.standing().String(), "; seed 2 has run for 0s"))
				h.stop(outOfTime)
				return searchOutcome{givenUp: true}
			}
			return passed(job, server)
		})
		h.long = long
		h.run(1)
		assert.Equal(t, want, h.givenUp)
		for _, line := range want {
			assert.Contains(t, h.summary(1), "give a longer one, or 0.\n"+line+"\n")
		}
	}
}

// Each seed runs once. A worker is replaced if it has died, or if something of a seed
// is left in it.
func TestSearchRunReplacesWorkers(t *testing.T) {
	h := searchRunWith(t, Search{Seeds: 20, StopAfter: -1}, nil, 3, func(job searchJob, server *fakeServer) searchOutcome {
		assert.False(t, server.spent)
		switch job.Seed % 10 {
		case 3:
			return searchOutcome{died: "the process has ended", searchResult: searchResult{Failed: true}}
		case 5:
			o := failedWith(fmt.Sprint("seed ", job.Seed))
			o.Spent, server.spent = true, true
			return o
		}
		return passed(job, server)
	})
	seeds := h.seedsDone()
	slices.Sort(seeds)
	assert.Len(t, slices.Compact(seeds), 20)
	assert.Len(t, h.jobs, 20)
	assert.Equal(t, []sweep.Range{{First: 0, Last: 19}}, h.ran)
	assert.Equal(t, 4, h.failed)
	require.Len(t, h.groupsLocked(), 2)
	assert.Equal(t, []uint64{3, 13}, h.groupsLocked()[0].Seeds)
	assert.Equal(t, "seed 5", h.groupsLocked()[1].Message)
	assert.Equal(t, "SIMTEST_SEED=5 run", h.groupsLocked()[1].Rerun)
	assert.Equal(t, 16*time.Second, h.simulated)
	assert.LessOrEqual(t, len(h.servers), 7)
}

// A seed that crashed because of a pool runs again without KeepPools, and so do all
// seeds after it.
func TestSearchRunPools(t *testing.T) {
	h := searchRunWith(t, Search{Seeds: 6}, nil, 1, func(job searchJob, server *fakeServer) searchOutcome {
		if job.Seed == 2 && job.KeepPools {
			return searchOutcome{died: "x", output: "fatal error: receive on synctest channel from outside bubble\n", searchResult: searchResult{Failed: true}}
		}
		return passed(job, server)
	})
	assert.Equal(t, []uint64{0, 1, 2, 2, 3, 4, 5}, h.seedsDone())
	for i, job := range h.jobs {
		assert.Equal(t, i < 3, job.KeepPools)
	}
	assert.Zero(t, h.failed)
	assert.Contains(t, h.summary(1), "pools were emptied from then on")
	// If that does not help, the seed has failed.
	h = searchRunWith(t, Search{Seeds: 6}, nil, 1, func(job searchJob, server *fakeServer) searchOutcome {
		return searchOutcome{died: "x", output: "fatal error: receive on synctest channel from outside bubble\n", searchResult: searchResult{Failed: true}}
	})
	assert.Equal(t, []uint64{0, 0}, h.seedsDone())
	assert.Equal(t, 1, h.failed)
}

// A seed that may not be the cause runs again, alone: if its worker used too much
// memory after other seeds, or was killed from outside.
func TestSearchRunDoubts(t *testing.T) {
	died := func(o searchOutcome) searchOutcome {
		o.died, o.Failed = "x", true
		return o
	}
	for _, c := range []struct {
		name    string
		outcome func(job searchJob, server *fakeServer) searchOutcome
		seeds   []uint64
		failed  int
	}{
		{"memory, by chance", func(job searchJob, server *fakeServer) searchOutcome {
			if server.done >= 2 {
				return died(searchOutcome{memory: true})
			}
			return passed(job, server)
		}, []uint64{0, 1, 2, 2, 3, 4, 4}, 0},
		{"memory, of its own", func(job searchJob, server *fakeServer) searchOutcome {
			if job.Seed == 1 {
				return died(searchOutcome{memory: true})
			}
			return passed(job, server)
		}, []uint64{0, 1, 1, 2, 3, 4}, 1},
		{"memory, the first", func(job searchJob, server *fakeServer) searchOutcome {
			if job.Seed == 0 {
				return died(searchOutcome{memory: true})
			}
			return passed(job, server)
		}, []uint64{0, 1, 2, 3, 4}, 1},
		{"killed", func(job searchJob, server *fakeServer) searchOutcome {
			if job.Seed == 1 && !job.alone {
				return died(searchOutcome{killed: true})
			}
			return passed(job, server)
		}, []uint64{0, 1, 1, 2, 3, 4}, 0},
		{"killed twice", func(job searchJob, server *fakeServer) searchOutcome {
			if job.Seed == 1 {
				return died(searchOutcome{killed: true})
			}
			return passed(job, server)
		}, []uint64{0, 1, 1, 2, 3, 4}, 1},
	} {
		h := searchRunWith(t, Search{Seeds: 5, StopAfter: -1}, nil, 1, func(job searchJob, server *fakeServer) searchOutcome {
			assert.True(t, !job.alone || server.done == 0, c.name)
			return c.outcome(job, server)
		})
		assert.Equal(t, c.seeds, h.seedsDone(), c.name)
		assert.Equal(t, c.failed, h.failed, c.name)
		assert.EqualValues(t, 5, h.done, c.name)
	}
}

// Such a seed runs alone even if a different worker takes it.
func TestSearchRunAlone(t *testing.T) {
	h := searchRunWith(t, Search{Seeds: 3}, nil, 1, func(job searchJob, server *fakeServer) searchOutcome {
		if job.Seed == 1 {
			server.search.retry = append(server.search.retry, searchJob{Seed: 1000, alone: true})
		}
		if job.alone {
			assert.Zero(t, server.done)
		}
		return passed(job, server)
	})
	assert.Equal(t, []uint64{0, 1, 1000, 2}, h.seedsDone())
	assert.Len(t, h.servers, 2)
}

// A fresh search has a worker for each seed.
func TestSearchRunFresh(t *testing.T) {
	h := searchRunWith(t, Search{Seeds: 5, Fresh: true}, nil, 2, passed)
	assert.Len(t, h.servers, 5)
	for _, job := range h.jobs {
		assert.False(t, job.KeepPools)
	}
}

// StopAfter counts groups of failures, not seeds.
func TestSearchRunStopsAfter(t *testing.T) {
	outcome := func(job searchJob, server *fakeServer) searchOutcome {
		return failedWith([]string{"a 1", "a 2", "a 3", "b", "a 4", "c"}[job.Seed%6])
	}
	for after, want := range map[int]uint64{0: 1, 1: 1, 2: 4, 3: 6, 4: 12, -1: 12} {
		h := searchRunWith(t, Search{Seeds: 12, StopAfter: after}, nil, 1, outcome)
		assert.Equal(t, want, h.done, "after %d", after)
		assert.Equal(t, want < 12, h.ended != "")
	}
}

// When time is up, running seeds have a grace period, and are then given up. If a
// worker cannot be started, the search ends at once.
func TestSearchRunEnds(t *testing.T) {
	var slow atomic.Bool
	h := searchRunWith(t, Search{}, map[string]string{"SIMTEST_TIME": "250ms"}, 2, func(job searchJob, server *fakeServer) searchOutcome {
		time.Sleep(5 * time.Millisecond)
		if job.Seed == 5 {
			slow.Store(true)
			<-server.search.giveUp
			return searchOutcome{givenUp: true}
		}
		return passed(job, server)
	})
	assert.True(t, slow.Load())
	assert.Equal(t, timeIsUp, h.ended)
	assert.Equal(t, len(h.jobs)-1, int(h.done))
	assert.NotContains(t, h.rangesLocked(), "4-6")
	assert.Contains(t, h.summary(2), "the time limit of SIMTEST_TIME has passed")

	plan, err := planOf(Search{}, nil)
	require.NoError(t, err)
	broken := newSearchRun(&Search{}, plan, "TestX", 1)
	broken.launch = func(<-chan struct{}) (searchServer, error) { return nil, errors.New("no processes today") }
	broken.run(3)
	assert.EqualError(t, broken.err, "no processes today")
	assert.Zero(t, broken.done)

	plan, err = planOf(Search{}, map[string]string{"SIMTEST_TIME": "10m"})
	require.NoError(t, err)
	assert.ErrorContains(t, newSearchRun(&Search{}, plan, "TestX", 1).endBefore(time.Now().Add(time.Minute)), "SIMTEST_TIME is 10m0s, and go test's -timeout ends the process in 1m0s: give a longer")
}

// The summary says if nothing new has been found for long, and shows the progress of
// each shard.
func TestSearchRunSummary(t *testing.T) {
	h := searchRunWith(t, Search{Seeds: 100, StopAfter: -1}, map[string]string{"SIMTEST_SHARD": "2/2"}, 1, func(job searchJob, server *fakeServer) searchOutcome {
		if job.Seed == 51 || job.Seed == 53 {
			return failedWith(fmt.Sprintf("read %d", job.Seed))
		}
		return searchOutcome{searchResult: searchResult{Traced: true, Digest: job.Seed, Shape: min(job.Seed, 9)}}
	})
	text := h.summary(1)
	assert.Contains(t, text, "simtest: 50 seeds of shard 2/2 in ")
	assert.Contains(t, text, "\nSeeds: 1-99 in steps of 2.")
	assert.Contains(t, text, "\n48 distinct traces of 5 shapes; seed 9 had the newest shape.")
	assert.Contains(t, text, "\nThe last 45 seeds have shown nothing new")
	assert.Contains(t, text, "\n2 seeds failed, in 1 way:\n\n1. 2 seeds, 51, 53: read 51 (x.go:1)\n        x.go:1: read 51\nTo run seed 51 again:\nSIMTEST_SEED=51 run")

	few := searchRunWith(t, Search{Seeds: 10}, nil, 1, passed)
	assert.NotContains(t, few.summary(1), "nothing new", "ten seeds are too few")

	h.plan.report = filepath.Join(t.TempDir(), "report")
	require.NoError(t, h.report(1))
	require.NoError(t, h.report(1))
	file, err := os.Open(h.plan.report)
	require.NoError(t, err)
	defer file.Close()
	reports, err := sweep.Read(file)
	require.NoError(t, err)
	require.Len(t, reports, 2)
	assert.Equal(t, reports[0].Groups, h.groupsLocked())
	assert.EqualValues(t, 50, reports[0].Seeds())
	assert.Equal(t, sweep.Shard{Index: 2, Total: 2}, reports[0].Shard)
	assert.Equal(t, sweep.Range{First: 0, Last: 99}, reports[0].Wanted)
}

// Seeds in any order become ranges.
func TestAddSeed(t *testing.T) {
	for _, step := range []uint64{1, 3} {
		var ranges []sweep.Range
		order := rand.New(rand.NewPCG(1, step)).Perm(50)
		for _, i := range order {
			ranges = addSeed(ranges, 7+uint64(i)*step, step)
			for a, b := range pairs(ranges) {
				require.Greater(t, b.First, a.Last+step, "apart, and in order")
			}
		}
		assert.Equal(t, []sweep.Range{{First: 7, Last: 7 + 49*step}}, ranges)
	}
}

func pairs(ranges []sweep.Range) func(yield func(a, b sweep.Range) bool) {
	return func(yield func(a, b sweep.Range) bool) {
		for i := 1; i < len(ranges); i++ {
			if !yield(ranges[i-1], ranges[i]) {
				return
			}
		}
	}
}

// A long search shows its progress, line by line without a terminal.
func TestSearchProgress(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	defer file.Close()
	p := newProgress(file)
	for took := time.Duration(0); took <= 25*time.Second; took += p.every() {
		p.show(searchStanding{test: "TestX", done: uint64(took / time.Second * 100), count: 10_000, failed: 1, took: took, left: 100*time.Second - took})
	}
	p.end()
	text, err := os.ReadFile(file.Name())
	require.NoError(t, err)
	assert.Equal(t, `simtest: TestX: 200 of 10000 seeds, 100 a second, 1 failed, 1m38s left
simtest: TestX: 1200 of 10000 seeds, 100 a second, 1 failed, 1m28s left
simtest: TestX: 2200 of 10000 seeds, 100 a second, 1 failed, 1m18s left
`, string(text))
	assert.Equal(t, "7 seeds, 3.5 a second, 0 failed", searchStanding{done: 7, took: 2 * time.Second, left: -1}.String())
}

// On a terminal it is a bar, which is removed at the end.
func TestSearchBar(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "terminal"))
	require.NoError(t, err)
	defer file.Close()
	p := newProgress(file)
	p.terminal = true
	p.show(searchStanding{done: 50, count: 10_000, took: time.Second})
	p.show(searchStanding{done: 200, count: 10_000, took: 3 * time.Second, left: time.Minute, share: 0.02})
	p.end()
	text, err := os.ReadFile(file.Name())
	require.NoError(t, err)
	assert.NotContains(t, string(text), "50 of 10000")
	assert.Contains(t, string(text), "200 of 10000 seeds, 67 a second, 0 failed, 1m0s left")
	assert.NotContains(t, string(text), "\n")
	assert.Regexp(t, `\r +\r$`, string(text))
}

package simtest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/sweep"
)

// A searchRun is a running search. Each of its workers is driven by a goroutine, which
// gives the worker one seed after another, and replaces the worker if it dies.
type searchRun struct {
	search  Search
	plan    *searchPlan
	replays []namedReplay // to run first
	test    string
	number  int    // of the search, in its test
	count   uint64 // of seeds; 0 if unknown
	start   time.Time
	launch  func(giveUp <-chan struct{}) (searchServer, error)
	again   func(variable, value string) string // returns the command that runs something again

	againReplay func(r *namedReplay) string // likewise for a replay
	grace       time.Duration               // for running seeds, when the search is over
	long        time.Duration               // after which a running seed is mentioned

	over         chan struct{}   // closed when no more seeds are handed out
	giveUp       chan struct{}   // closed when running seeds are given up
	finished     chan struct{}   // closed when everything is done
	shrinking    context.Context // ends when shrinking must stop
	endShrinking context.CancelCauseFunc

	mu      sync.Mutex  // guards the fields below
	retry   []searchJob // jobs to run again
	idle    []*launchedServer
	running map[*launchedServer]runningJob
	pools   bool   // seeds run with KeepPools
	err     error  // the reason why the search cannot continue
	ended   string // the reason why the search ended early
	closed  bool   // over is closed
	searchTotals
}

// searchTotals are the results of a search so far.
type searchTotals struct {
	ran       []sweep.Range // of the shard's seeds
	done      uint64
	skipped   int
	failed    int
	simulated time.Duration
	digests   map[uint64]struct{}
	shapes    map[uint64]struct{}
	traces    sweep.Distinct // digests; for the report
	looks     sweep.Distinct // shapes; for the report
	newest    uint64         // the seed with the newest shape
	newestAt  uint64         // number of seeds done at that time
	groups    map[string]*sweep.Group
	found     map[string]finding // the first seed of each group
	slowest   time.Duration      // real time of the slowest seed that ended
	shrinks   string             // the progress of shrinking, in words
	givenUp   []string           // long-running jobs at the end of the search

	replayed, replaysFailed int // files
}

// searchGrace is the time that running seeds have to end when the search is over.
const searchGrace = 2 * time.Second

// longForSeed is the real time after which the progress names a running seed, and the
// summary names a seed that had not ended.
const longForSeed = 10 * time.Second

// runInWorkers runs the seeds in workers, and reports.
func (s *Search) runInWorkers(t *testing.T, plan *searchPlan, replays []namedReplay, number int) {
	t.Helper()
	count := runtime.GOMAXPROCS(0)
	run := newSearchRun(s, plan, t.Name(), number)
	run.replays = replays
	run.launch = func(giveUp <-chan struct{}) (searchServer, error) {
		w := &searchWorker{test: t.Name(), number: number, memory: s.memory(), call: "Search.Run"}
		if s.Fresh {
			w.fresh = 1
		}
		p, err := startWorker(w, giveUp)
		if err != nil {
			return nil, err
		}
		return p, nil
	}
	command := rerunCommand(t) // reads this goroutine's stack
	settings := overlaySettings(s.Config.scheduleNow())
	var replaySettings []string
	if s.Fresh && Overlay().Order && os.Getenv(freshVariable) == "" { // packages are initialized as in the workers
		replaySettings = []string{freshVariable, "1"}
	}
	settings = append(settings, replaySettings...)
	replaySettings = append(overlaySettings(0), replaySettings...)
	run.againReplay = func(r *namedReplay) string { return replayLine(command, replaySettings, r) }
	run.again = func(variable, value string) string {
		return commandLine(runtime.GOOS, command, append(slices.Clip(settings), variable, value)...)
	}
	if deadline, ok := t.Deadline(); ok {
		if err := run.endBefore(deadline); err != nil {
			t.Fatalf("simtest: %v", err)
		}
	}
	run.run(count)
	reportError := run.report(count)
	summary := run.summary(count)
	switch run.mu.Lock(); {
	case run.err != nil:
		t.Errorf("simtest: %v", run.err)
	case reportError != nil:
		t.Errorf("simtest: %s cannot be written: %v", reportVariable, reportError)
	}
	failed := len(run.groups) > 0 || run.ended == outOfTime || run.ended != "" && run.done == 0
	skipped := run.done > 0 && run.replayed == 0 && int(run.done) == run.skipped
	run.mu.Unlock()
	switch {
	case failed:
		t.Error(summary)
	case skipped:
		t.Skip(summary)
	default:
		t.Log(summary)
	}
}

// newSearchRun returns a search that has found nothing yet.
func newSearchRun(s *Search, plan *searchPlan, test string, number int) *searchRun {
	run := &searchRun{
		search: *s, plan: plan, test: test, number: number, count: plan.count(), start: time.Now(),
		grace: searchGrace, long: longForSeed,
		over: make(chan struct{}), giveUp: make(chan struct{}), finished: make(chan struct{}),
		pools: !s.Config.KeepPools && !s.Fresh, running: make(map[*launchedServer]runningJob),
		searchTotals: searchTotals{
			digests: make(map[uint64]struct{}), shapes: make(map[uint64]struct{}),
			groups: make(map[string]*sweep.Group), found: make(map[string]finding),
		},
	}
	run.shrinking, run.endShrinking = context.WithCancelCause(context.Background())
	return run
}

// Reasons why searches end early.
const (
	timeIsUp    = "the time limit of " + timeVariable + " has passed"
	outOfTime   = "go test's -timeout is about to end the test: give a longer one, or 0"
	interrupted = "interrupted"
)

// endBefore ends the search before go test's -timeout ends the process.
func (run *searchRun) endBefore(deadline time.Time) error {
	left := time.Until(deadline)
	left -= min(left/10, 10*time.Second) + searchGrace
	if !run.plan.until.IsZero() && time.Until(run.plan.until) > left {
		return fmt.Errorf("%s is %v, and go test's -timeout ends the process in %v: give a longer -timeout, or 0, or a shorter %s",
			timeVariable, run.plan.lasts, time.Until(deadline).Round(time.Second), timeVariable)
	}
	timer := time.AfterFunc(left, func() {
		run.stop(outOfTime)
		run.endShrinking(errors.New(outOfTime))
	})
	go func() {
		<-run.finished
		timer.Stop()
	}()
	return nil
}

// run runs the replays and then the seeds on the given number of servers, until all
// have run or the search is over. Then it shrinks the failures.
func (run *searchRun) run(servers int) {
	defer run.endShrinking(nil)
	defer close(run.finished)
	if !run.plan.until.IsZero() {
		timer := time.AfterFunc(time.Until(run.plan.until), func() { run.stop(timeIsUp) })
		defer timer.Stop()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer run.dismiss()
		run.runReplays(servers)
		run.runSeeds(servers)
		run.stop("")
		run.shrinkFailures(servers)
	}()
	interrupt := catchInterrupt()
	defer interrupt.release()
	progress := newProgress(os.Stderr)
	ticker := time.NewTicker(progress.every())
	defer ticker.Stop()
	for {
		select {
		case <-done:
			progress.end()
			return
		case <-ticker.C:
			progress.show(run.standing())
		case sig := <-interrupt.signals:
			progress.end()
			run.stop(interrupted)
			run.giveUpNow()
			run.endShrinking(errors.New(interrupted))
			<-done
			_ = run.report(servers)
			fmt.Fprintf(os.Stderr, "simtest: %s: %s\n", run.test, strings.TrimPrefix(run.summary(servers), "simtest: "))
			interrupt.end(sig)
		}
	}
}

// stop ends the search for a reason, unless it has ended already. Running seeds have a
// grace period.
func (run *searchRun) stop(why string) {
	run.mu.Lock()
	defer run.mu.Unlock()
	run.stopLocked(why)
}

func (run *searchRun) stopLocked(why string) {
	if run.closed {
		return
	}
	run.closed, run.ended = true, why
	close(run.over)
	if why != "" {
		time.AfterFunc(run.grace, run.giveUpNow)
	}
}

// giveUpNow gives up running seeds.
func (run *searchRun) giveUpNow() {
	run.mu.Lock()
	defer run.mu.Unlock()
	if !isClosed(run.giveUp) {
		close(run.giveUp)
	}
}

// fail ends the search with an error.
func (run *searchRun) fail(err error) {
	run.mu.Lock()
	defer run.mu.Unlock()
	if run.err == nil && !errors.Is(err, errGivenUp) {
		run.err = err
	}
	run.stopLocked("of an error")
	if !isClosed(run.giveUp) {
		close(run.giveUp)
	}
}

// runSeeds runs the shard's seeds.
func (run *searchRun) runSeeds(servers int) {
	next, stop := iter.Pull(run.plan.seeds())
	defer stop()
	if run.count > 0 || run.plan.wanted.Last != sweep.Endless {
		servers = min(servers, int(min(run.count, 1<<20)))
	}
	run.runPhase(phase{
		over: run.over, giveUp: run.giveUp,
		next: func() (searchJob, bool) {
			seed, ok := next()
			return searchJob{Seed: seed, KeepPools: run.pools}, ok
		},
		note: run.noteSeedLocked,
		name: func(job searchJob) string { return fmt.Sprintf("seed %d", job.Seed) },
		givenUp: func(job searchJob, after time.Duration) {
			run.noteGivenUpLocked(fmt.Sprintf("Seed %d", job.Seed), after, run.again(seedVariable, strconv.FormatUint(job.Seed, 10)))
		},
	}, servers)
}

// noteSeedLocked adds a seed's outcome to the totals.
func (run *searchRun) noteSeedLocked(job searchJob, o searchOutcome) {
	run.done++
	run.ran = addSeed(run.ran, job.Seed, run.plan.shard.Step())
	run.simulated += o.Simulated
	if o.Traced {
		run.digests[o.Digest] = struct{}{}
		run.traces.Add(o.Digest)
		if _, known := run.shapes[o.Shape]; !known {
			run.newest, run.newestAt = o.Seed, run.done
			run.shapes[o.Shape] = struct{}{}
			run.looks.Add(o.Shape)
		}
	}
	switch {
	case o.Failed:
		run.failed++
		run.groupLocked(o)
		run.stopIfEnoughLocked()
	case o.Skipped:
		run.skipped++
	}
}

// noteGivenUpLocked records a job that had not ended when the search was over.
func (run *searchRun) noteGivenUpLocked(what string, after time.Duration, again string) {
	run.givenUp = append(run.givenUp, fmt.Sprintf("%s had not ended after %v of real time. To run it again:\n%s", what, after.Round(time.Second), again))
}

// stopIfEnoughLocked ends the search when enough groups have been found.
func (run *searchRun) stopIfEnoughLocked() {
	if n := run.search.stopAfter(); n > 0 && len(run.groups) >= n {
		run.stopLocked(fmt.Sprintf("found %s, as Search.StopAfter says", count(len(run.groups), "failure", "different failures")))
	}
}

// addSeed adds a seed to sorted ranges of every step-th seed.
func addSeed(ranges []sweep.Range, seed, step uint64) []sweep.Range {
	i, _ := slices.BinarySearchFunc(ranges, seed, func(r sweep.Range, seed uint64) int {
		if r.First > seed {
			return 1
		}
		return -1
	}) // the first range after the seed
	before := i > 0 && seed-ranges[i-1].Last == step
	behind := i < len(ranges) && ranges[i].First-seed == step
	switch {
	case before && behind:
		ranges[i-1].Last = ranges[i].Last
		return slices.Delete(ranges, i, i+1)
	case before:
		ranges[i-1].Last = seed
		return ranges
	case behind:
		ranges[i].First = seed
		return ranges
	}
	return slices.Insert(ranges, i, sweep.Range{First: seed, Last: seed})
}

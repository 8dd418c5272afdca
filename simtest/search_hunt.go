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

// A hunt is a search under way. Each of its workers is driven by a goroutine, which
// gives it one seed after another, and replaces it when it has died.
type hunt struct {
	search  Search
	plan    *searchPlan
	replays []namedReplay // to run first
	test    string
	number  int    // of the search, in its test
	count   uint64 // of seeds; 0 if nobody knows
	start   time.Time
	launch  func(giveUp <-chan struct{}) (searchServer, error)
	again   func(variable, value string) string // the line that runs something again
	grace   time.Duration                       // that seeds under way have when it is over
	long    time.Duration                       // after which one that has not ended is worth a word

	over         chan struct{}   // closed when no more seeds are to be given out
	giveUp       chan struct{}   // closed when those under way are to be given up
	finished     chan struct{}   // closed when all is done
	shrinking    context.Context // ended when failures are to be made smaller no longer
	endShrinking context.CancelCauseFunc

	mu       sync.Mutex  // guards what follows
	retry    []searchJob // what is to run again
	idle     []*crewMember
	underWay map[*crewMember]underWay
	pools    bool   // seeds run with KeepPools
	err      error  // why it cannot go on
	ended    string // why it has ended early
	closed   bool   // over is
	tally
}

// A tally is what a hunt has found so far.
type tally struct {
	ran       []sweep.Range // of the shard's seeds
	done      uint64
	skipped   int
	failed    int
	simulated time.Duration
	digests   map[uint64]struct{}
	shapes    map[uint64]struct{}
	traces    sweep.Distinct // as digests; for the report
	looks     sweep.Distinct // as shapes; for the report
	newest    uint64         // the seed with the newest shape
	newestAt  uint64         // how many were done then
	groups    map[string]*sweep.Group
	found     map[string]finding // the first seed of each group
	slowest   time.Duration      // real time that a seed has taken which came to an end
	shrinks   string             // what is made smaller
	givenUp   []string           // what had run for long when the search was over

	replayed, replaysFailed int // files
}

// grace is how long seeds that are under way may take when the search is over.
const searchGrace = 2 * time.Second

// longForSeed is after how much real time the progress names a seed, and the summary one
// that had not ended.
const longForSeed = 10 * time.Second

// hunt runs the seeds in workers, and reports.
func (s *Search) hunt(t *testing.T, plan *searchPlan, replays []namedReplay, number int) {
	t.Helper()
	count := runtime.GOMAXPROCS(0)
	h := newHunt(s, plan, t.Name(), number)
	h.replays = replays
	h.launch = func(giveUp <-chan struct{}) (searchServer, error) {
		p, err := startWorker(t.Name(), number, s.memory(), giveUp)
		if err != nil {
			return nil, err
		}
		return p, nil
	}
	command := rerunCommand(t) // which looks at this goroutine's stack
	settings := overlaySettings(s.Config.scheduleNow())
	h.again = func(variable, value string) string {
		if variable == replayVariable {
			return commandLine(runtime.GOOS, command, append(overlaySettings(0), variable, value)...)
		}
		return commandLine(runtime.GOOS, command, append(slices.Clip(settings), variable, value)...)
	}
	if deadline, ok := t.Deadline(); ok {
		if err := h.endBefore(deadline); err != nil {
			t.Fatalf("simtest: %v", err)
		}
	}
	h.run(count)
	reportError := h.report(count)
	summary := h.summary(count)
	switch h.mu.Lock(); {
	case h.err != nil:
		t.Errorf("simtest: %v", h.err)
	case reportError != nil:
		t.Errorf("simtest: %s cannot be written: %v", reportVariable, reportError)
	}
	failed := len(h.groups) > 0 || h.ended == outOfTime || h.ended != "" && h.done == 0
	skipped := h.done > 0 && h.replayed == 0 && int(h.done) == h.skipped
	h.mu.Unlock()
	switch {
	case failed:
		t.Error(summary)
	case skipped:
		t.Skip(summary)
	default:
		t.Log(summary)
	}
}

// newHunt returns a hunt that has found nothing yet.
func newHunt(s *Search, plan *searchPlan, test string, number int) *hunt {
	h := &hunt{
		search: *s, plan: plan, test: test, number: number, count: plan.count(), start: time.Now(),
		grace: searchGrace, long: longForSeed,
		over: make(chan struct{}), giveUp: make(chan struct{}), finished: make(chan struct{}),
		pools: !s.Config.KeepPools && !s.Fresh, underWay: make(map[*crewMember]underWay),
		tally: tally{
			digests: make(map[uint64]struct{}), shapes: make(map[uint64]struct{}),
			groups: make(map[string]*sweep.Group), found: make(map[string]finding),
		},
	}
	h.shrinking, h.endShrinking = context.WithCancelCause(context.Background())
	return h
}

// Why hunts end early.
const (
	timeIsUp    = "the time that " + timeVariable + " says is up"
	outOfTime   = "go test's -timeout is about to end the test: give a longer one, or 0"
	interrupted = "interrupted"
)

// endBefore ends the hunt before go test's -timeout ends the process.
func (h *hunt) endBefore(deadline time.Time) error {
	left := time.Until(deadline)
	left -= min(left/10, 10*time.Second) + searchGrace
	if !h.plan.until.IsZero() && time.Until(h.plan.until) > left {
		return fmt.Errorf("%s is %v, and go test's -timeout ends the process in %v: give a longer -timeout, or 0, or a shorter %s",
			timeVariable, h.plan.lasts, time.Until(deadline).Round(time.Second), timeVariable)
	}
	timer := time.AfterFunc(left, func() {
		h.stop(outOfTime)
		h.endShrinking(errors.New(outOfTime))
	})
	go func() {
		<-h.finished
		timer.Stop()
	}()
	return nil
}

// run runs the replays, and then seeds, in so many servers at once until all have
// run, or the hunt is over. Then it makes smaller what has failed.
func (h *hunt) run(servers int) {
	defer h.endShrinking(nil)
	defer close(h.finished)
	if !h.plan.until.IsZero() {
		timer := time.AfterFunc(time.Until(h.plan.until), func() { h.stop(timeIsUp) })
		defer timer.Stop()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer h.dismiss()
		h.runReplays(servers)
		h.runSeeds(servers)
		h.stop("")
		h.shrinkFailures(servers)
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
			progress.show(h.standing())
		case sig := <-interrupt.signals:
			progress.end()
			h.stop(interrupted)
			h.giveUpNow()
			h.endShrinking(errors.New(interrupted))
			<-done
			_ = h.report(servers)
			fmt.Fprintf(os.Stderr, "simtest: %s: %s\n", h.test, strings.TrimPrefix(h.summary(servers), "simtest: "))
			interrupt.end(sig)
		}
	}
}

// stop ends the hunt for a reason, unless it has ended already. Seeds that are under
// way have a moment.
func (h *hunt) stop(why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopLocked(why)
}

func (h *hunt) stopLocked(why string) {
	if h.closed {
		return
	}
	h.closed, h.ended = true, why
	close(h.over)
	if why != "" {
		time.AfterFunc(h.grace, h.giveUpNow)
	}
}

// giveUpNow gives up the seeds that are under way.
func (h *hunt) giveUpNow() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !isClosed(h.giveUp) {
		close(h.giveUp)
	}
}

// fail ends the hunt with an error.
func (h *hunt) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil && !errors.Is(err, errGivenUp) {
		h.err = err
	}
	h.stopLocked("of an error")
	if !isClosed(h.giveUp) {
		close(h.giveUp)
	}
}

// runSeeds runs the shard's seeds.
func (h *hunt) runSeeds(servers int) {
	next, stop := iter.Pull(h.plan.seeds())
	defer stop()
	if h.count > 0 || h.plan.wanted.Last != sweep.Endless {
		servers = min(servers, int(min(h.count, 1<<20)))
	}
	h.runPhase(phase{
		over: h.over, giveUp: h.giveUp,
		next: func() (searchJob, bool) {
			seed, ok := next()
			return searchJob{Seed: seed, KeepPools: h.pools}, ok
		},
		note: h.noteSeedLocked,
		name: func(job searchJob) string { return fmt.Sprintf("seed %d", job.Seed) },
		givenUp: func(job searchJob, after time.Duration) {
			h.noteGivenUpLocked(fmt.Sprintf("Seed %d", job.Seed), after, h.again(seedVariable, strconv.FormatUint(job.Seed, 10)))
		},
	}, servers)
}

// noteSeedLocked adds a seed's outcome to the tally.
func (h *hunt) noteSeedLocked(job searchJob, o searchOutcome) {
	h.done++
	h.ran = addSeed(h.ran, job.Seed, h.plan.shard.Step())
	h.simulated += o.Simulated
	if o.Traced {
		h.digests[o.Digest] = struct{}{}
		h.traces.Add(o.Digest)
		if _, known := h.shapes[o.Shape]; !known {
			h.newest, h.newestAt = o.Seed, h.done
			h.shapes[o.Shape] = struct{}{}
			h.looks.Add(o.Shape)
		}
	}
	switch {
	case o.Failed:
		h.failed++
		h.groupLocked(o)
		h.stopIfEnoughLocked()
	case o.Skipped:
		h.skipped++
	}
}

// noteGivenUpLocked notes what had not ended when the search was over.
func (h *hunt) noteGivenUpLocked(what string, after time.Duration, again string) {
	h.givenUp = append(h.givenUp, fmt.Sprintf("%s had not ended after %v of real time. To run it again:\n%s", what, after.Round(time.Second), again))
}

// stopIfEnoughLocked ends the hunt when enough has been found.
func (h *hunt) stopIfEnoughLocked() {
	if n := h.search.stopAfter(); n > 0 && len(h.groups) >= n {
		h.stopLocked(fmt.Sprintf("found %s, as Search.StopAfter says", count(len(h.groups), "failure", "different failures")))
	}
}

// addSeed adds a seed to ranges of every step-th seed, which are in order.
func addSeed(ranges []sweep.Range, seed, step uint64) []sweep.Range {
	i, _ := slices.BinarySearchFunc(ranges, seed, func(r sweep.Range, seed uint64) int {
		if r.First > seed {
			return 1
		}
		return -1
	}) // the first range behind the seed
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

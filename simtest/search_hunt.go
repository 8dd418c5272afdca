package simtest

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/sweep"
)

// A hunt is a search under way. Each of its workers is driven by a goroutine, which
// gives it one seed after another, and replaces it when it has died.
type hunt struct {
	search Search
	plan   *searchPlan
	test   string
	number int    // of the search, in its test
	count  uint64 // of seeds; 0 if nobody knows
	start  time.Time
	launch func(giveUp <-chan struct{}) (searchServer, error)
	rerun  func(seed uint64) string
	grace  time.Duration // that seeds under way have when it is over

	over   chan struct{} // closed when no more seeds are to be given out
	giveUp chan struct{} // closed when those under way are to be given up

	mu     sync.Mutex // guards what follows
	next   func() (uint64, bool)
	retry  []searchJob // seeds that are to run again
	pools  bool        // seeds run with KeepPools
	err    error       // why it cannot go on
	ended  string      // why it has ended early
	closed bool        // over is
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
}

// grace is how long seeds that are under way may take when the search is over.
const searchGrace = 2 * time.Second

// hunt runs the seeds in workers, and reports.
func (s *Search) hunt(t *testing.T, plan *searchPlan, number int) {
	t.Helper()
	count := runtime.GOMAXPROCS(0)
	if n := plan.count(); n > 0 || plan.wanted.Last != sweep.Endless {
		count = min(count, int(min(n, 1<<20)))
	}
	h := newHunt(s, plan, t.Name(), number)
	h.launch = func(giveUp <-chan struct{}) (searchServer, error) {
		p, err := startWorker(t.Name(), number, s.memory(), giveUp)
		if err != nil {
			return nil, err
		}
		return p, nil
	}
	line := rerunLine(t, 0) // which looks at this goroutine's stack
	h.rerun = func(seed uint64) string {
		return strings.Replace(line, seedVariable+"=0", fmt.Sprintf("%s=%d", seedVariable, seed), 1)
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
	failed := h.failed > 0 || h.ended == outOfTime || h.ended != "" && h.done == 0
	skipped := h.done > 0 && int(h.done) == h.skipped
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
	return &hunt{
		search: *s, plan: plan, test: test, number: number, count: plan.count(), start: time.Now(),
		grace: searchGrace,
		over:  make(chan struct{}), giveUp: make(chan struct{}),
		pools: !s.Config.KeepPools && !s.Fresh,
		tally: tally{digests: make(map[uint64]struct{}), shapes: make(map[uint64]struct{}), groups: make(map[string]*sweep.Group)},
	}
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
	timer := time.AfterFunc(left, func() { h.stop(outOfTime) })
	go func() {
		<-h.over
		timer.Stop()
	}()
	return nil
}

// run runs seeds in so many servers at once until all have run, or the hunt is over.
func (h *hunt) run(servers int) {
	next, stop := iter.Pull(h.plan.seeds())
	defer stop()
	h.next = next
	defer h.stop("")
	if !h.plan.until.IsZero() {
		timer := time.AfterFunc(time.Until(h.plan.until), func() { h.stop(timeIsUp) })
		defer timer.Stop()
	}
	var wait sync.WaitGroup
	for range servers {
		wait.Go(h.serve)
	}
	done := make(chan struct{})
	go h.join(&wait, done)
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
			<-done
			_ = h.report(servers)
			fmt.Fprintf(os.Stderr, "simtest: %s: %s\n", h.test, strings.TrimPrefix(h.summary(servers), "simtest: "))
			interrupt.end(sig)
		}
	}
}

// join closes done when no worker is left.
func (h *hunt) join(workers *sync.WaitGroup, done chan<- struct{}) {
	workers.Wait()
	close(done)
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

// job returns what is to be done next, or false if nothing is.
func (h *hunt) job() (searchJob, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return searchJob{}, false
	}
	if n := len(h.retry) - 1; n >= 0 {
		job := h.retry[n]
		h.retry = h.retry[:n]
		return job, true
	}
	seed, ok := h.next()
	return searchJob{Seed: seed, KeepPools: h.pools}, ok
}

// serve gives seeds to one server after another.
func (h *hunt) serve() {
	var server searchServer
	close := func() {
		if server != nil {
			server.close()
			server = nil
		}
	}
	defer close()
	used := false
	for {
		job, ok := h.job()
		if !ok {
			return
		}
		if job.alone && used {
			close()
		}
		release := takeTurn()
		if server == nil {
			var err error
			if server, err = h.launch(h.giveUp); err != nil {
				release()
				server = nil
				h.fail(err)
				return
			}
			used = false
		}
		o := server.do(job, h.giveUp)
		release()
		if o.givenUp {
			close()
			return
		}
		h.note(job, o, used)
		used = true
		if o.died != "" || o.Spent || h.search.Fresh || isHeavy(server) {
			close()
		}
	}
}

// isHeavy reports whether a server had better be replaced.
func isHeavy(server searchServer) bool {
	p, ok := server.(*searchProcess)
	return ok && p.isHeavy()
}

// turns bounds how many seeds of all searches of the process run at once: parallel
// tests share the processors.
var turns = sync.OnceValue(func() chan struct{} {
	return make(chan struct{}, max(runtime.GOMAXPROCS(0), runtime.NumCPU()))
})

// takeTurn waits until a seed may run. It returns a function to call when it has.
func takeTurn() (release func()) {
	turns() <- struct{}{}
	return func() { <-turns() }
}

// note adds a seed's outcome to the tally, or schedules the seed again if it may be
// that it is not to blame. used says that its server had run others before.
func (h *hunt) note(job searchJob, o searchOutcome, used bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case o.died != "" && job.KeepPools && (ofPools(o.output) || o.ended && used && standsStill(o.output)):
		h.pools = false
		h.retry = append(h.retry, searchJob{Seed: job.Seed, Schedule: job.Schedule})
		return
	case (o.memory && used || o.killed) && !job.alone:
		job.alone = true
		h.retry = append(h.retry, job)
		return
	}
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
		if n := h.search.stopAfter(); n > 0 && len(h.groups) >= n {
			h.stopLocked(fmt.Sprintf("found %s, as Search.StopAfter says", count(len(h.groups), "failure", "different failures")))
		}
	case o.Skipped:
		h.skipped++
	}
}

// groupLocked adds a seed that has failed to its group.
func (h *hunt) groupLocked(o searchOutcome) {
	output := cleanOutput(h.test, o.output)
	failure := failureOf(output, o.died, o.ended)
	id := failure.id()
	g := h.groups[id]
	if g == nil {
		g = &sweep.Group{ID: id}
		h.groups[id] = g
	}
	g.Count++
	g.Seeds = append(g.Seeds, o.Seed)
	slices.Sort(g.Seeds)
	g.Seeds = g.Seeds[:min(len(g.Seeds), sweep.MaxSeeds)]
	if g.First() == o.Seed {
		g.Message, g.Place = failure.message, failure.place
		g.Output, g.Rerun = withoutRerun(output), h.rerun(o.Seed)
		if o.died != "" {
			g.Output += "\n" + o.died
		}
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

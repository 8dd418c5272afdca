package simtest

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// A Search runs a simulation with one seed after another, on all processors,
// and tells which of them fail:
//
//	func TestElection(t *testing.T) {
//		simtest.Search{Seeds: 1000}.Run(t, func(t *testing.T, sim *simtest.Sim) { ... })
//	}
//
// Environment variables say which seeds, for go test ./... to take them too; all
// others of their tests go on as before:
//
//	SIMTEST_SEEDS=10000     ten thousand seeds instead of Search.Seeds
//	SIMTEST_SEEDS=500-900   the seeds from 500 to 900
//	SIMTEST_TIME=10m        until ten minutes have passed, if SIMTEST_SEEDS sets no bound
//	SIMTEST_SEED=42         this one, once, in the test's own process, and no replay file
//	SIMTEST_REPLAY=file     this replay file, once, in the test's own process
//	SIMTEST_REPLAYS=dir     replay files are in dir/<Test> instead of testdata/simtest/<Test>
//	SIMTEST_SHARD=3/16      the third of sixteen parts of the seeds, for sixteen machines
//	SIMTEST_SHARD=auto      the part that GitLab, Buildkite or CircleCI have for this machine
//	SIMTEST_SHRINK=5m       makes failures smaller for five minutes; 0 leaves them as they are
//	SIMTEST_FRESH=1         starts a process for each seed, as Search.Fresh
//	SIMTEST_REPORT=file     adds a report to a file, in JSON, for slownet sweep
//
// A value that makes no sense fails the test before any seed has run. The names of
// a report's file and of dir may have %p in them, which is replaced by the test's
// package, with dots for slashes; a relative name is relative to the package's
// folder, where go test runs its tests. A shard has the seeds that are one less than its number,
// modulo the number of shards.
//
// # Processes
//
// The seeds run in worker processes, one for each processor: the test's own
// program, started again for this test alone. So a seed that ends its process (a
// fatal error, a panic, os.Exit), that never comes to an end, or takes all memory,
// is a seed that has failed, with its output, and the search goes on with the
// others. A seed whose worker somebody has killed runs again. What follows from
// all that:
//
//   - TestMain, and what the test does before Run, happens in each worker, and in
//     the test's own process. A worker that does not come to Run is an error.
//   - f judges by its own t. Variables that it sets are set in a worker; in the
//     test's own process they stay as they are.
//   - A worker's t is not the test's, though it has its name. Its clean-ups are
//     done after each seed.
//   - Of the flags of go test the workers get -test.run for their test, -test.cpu,
//     and -test.gocoverdir, which makes go test -cover count what they cover. They
//     do not get -short, nor flags of the test's own. Without -cpu each worker uses
//     one processor.
//   - Package-level variables go on from one seed to the next in the same worker.
//     See Fresh.
//   - Where several Searches are in one test, they are told apart by their order.
//
// In a debugger, with go test -fuzz, SIMTEST_SEED and SIMTEST_REPLAY there are no
// workers, and f runs in the test's own process, as [Config.Run] runs it.
//
// Seeds run as with [Config.KeepPools], which is much faster, until one dies
// of what an earlier one has left in a pool. Then that seed runs again, and it
// and all later ones run without.
//
// # Results
//
// While it runs, a search that takes longer than two seconds tells on standard
// error how far it is. In the end it logs a summary: how many seeds there were and
// how much simulated time, how many of the traces were distinct, and how many
// shapes they had. A trace's shape is the kinds and hosts of its events, in
// their order, without times, lengths and repetitions. When new seeds
// have shown no new shapes for long, more of them will hardly find more. Each seed
// draws its faults anew: with variations of seeds that had new shapes, four bugs of five
// took more seeds to find. The figures are in docs/exploring.md.
//
// Seeds that fail are grouped by what has failed: the message, without its
// numbers, and the place. Of each group the summary shows the first seed's output,
// or that of the smaller run that is left of it, and the line that runs it again. Where nothing but t.Error or t.Fatal tells what
// has failed, that is the last line that the seed has logged; where log.Fatal or os.Exit
// has ended the process with an error, it is the last line that the seed has printed.
//
// A seed that has not ended after two minutes of real time has failed. On Linux, time in
// which its worker waited for a processor does not count, so that a loaded machine
// fails no seed that is merely slow; but one has failed in whose simulation nothing has
// happened on the network for two minutes of real time, if its worker had a processor,
// or wanted none, for a fifth of them. From ten seconds on, the progress names the seed that
// has run for the longest time. The search stops before the end of go test's -timeout, and
// fails then. Ctrl-C prints the summary so far and ends the process; a worker ends
// when its parent does. In both cases the summary names the seeds that had been
// running for ten seconds or more.
//
// # Smaller failures
//
// When the seeds have run, the search runs the first one of each group again, and
// makes its failure smaller: it leaves out faults of its [Chaos], and hosts and
// directions of faults, makes them shorter and weaker, lets them begin later, at rounder times,
// and the quiet earlier, as long as the failure is of the same group. That takes
// some hundred runs, on all processors, of at most a thousand for each failure, and
// no longer than Search.Shrink; of more than ten groups the others are left as they
// are. What comes out does not depend on how many processors there are, unless time
// was up. What is left is written to a replay file. Its name and text are in the
// summary, with the line that runs it again; where the file cannot be written, its
// text is. Of a group of which a replay file has failed already, no other is
// written. With a failure that takes no faults, the file has the seed alone.
//
// A failure that does not come again is not made smaller, and no file is written: the
// seed is run several times, and how runs differ is told as [CheckDeterminism] tells
// it. With SIMTEST_TRACE there are traces of seeds and replay files that fail, and of
// the run that is left of a failure, not of the runs between.
//
// # Replay files
//
// A replay file tells one run of a simulation: its seed, the faults of its Chaos,
// and what failed. The files in testdata/simtest/<Test> whose names end in .replay
// run before any seed, all of them, as a fuzz test runs its corpus. One passes if
// f passes, which is what it does when the bug is mended; keep it then, for the bug
// may come back. One that fails is a failure of the search, as a seed's is; whether
// it is the very run that the file was written of, its digest tells. It may be
// edited:
//
//	simtest-replay 1
//	go go1.26.8
//	test TestElection
//	seed 42
//	quiet 1m0s
//	fault 12.5s partition a,b | c for 3s
//	message two leaders of term 3
//	digest unknown
//
// Each line begins with a key. The first one is the version of the format. A fault is
// as in [Chaos].Schedule, and quiet is when faults are over. Where a failure needs an
// order among events of one instant, or something that befalls a packet by chance, the
// file has lines with the keys ties and tie, or draws and draw, that name them; all
// others are natural, and nothing befalls other packets. docs/replay.md has the whole
// format. A file that is damaged,
// or of another test, fails the test before any seed has run. Of several shards, the
// first one runs the files. [Config.Run] runs none.
type Search struct {
	// Config is the configuration of each simulation. Its Seed is the first seed.
	Config Config

	// Seeds is the number of seeds, from Config.Seed on. Zero is 100.
	Seeds int

	// Chaos is the faults of each simulation, drawn from its seed. The zero Chaos means
	// that of the Config.
	Chaos Chaos

	// StopAfter is the number of groups of failures after which the search stops;
	// running seeds have two seconds to end. Zero is 1. If negative, failures do not
	// stop the search.
	StopAfter int

	// Shrink limits the real time for shrinking all failures. Zero is a minute; if
	// negative, failures are not shrunk, and no replay file is written.
	Shrink time.Duration

	// Fresh starts a process for each seed, for code that changes package-level
	// variables. That takes some ten milliseconds more for each. The environment
	// variable SIMTEST_FRESH=1 does so for all searches, see [Config.Fresh].
	Fresh bool

	// Memory is the limit of a worker's resident memory in bytes. A seed that exceeds
	// it fails, with a dump of its goroutines, unless other seeds have run in that
	// worker before and it passes in another one. Zero is 2 GiB; if negative, there is
	// no limit.
	Memory int64
}

const (
	defaultSeeds     = 100
	defaultShrink    = time.Minute
	defaultStopAfter = 1
	defaultMemory    = 2 << 30
)

// Run runs f in a simulation for each seed, and fails the test if any of them fails. It
// panics on an invalid search or config, and in a simulation.
func (s Search) Run(t *testing.T, f func(t *testing.T, sim *Sim)) {
	t.Helper()
	if inBubble() {
		panic("simtest: Search.Run was called in a simulation: call it in the test itself")
	}
	s.mustBeValid()
	if !s.Chaos.isZero() {
		s.Config.Chaos = s.Chaos
	}
	if f == nil {
		panic("simtest: Search.Run needs a function to run")
	}
	number := searchNumber(t)
	if worker := thisWorker(); worker != nil {
		if worker.serves(t, number) {
			worker.serve(t, s, f)
		}
		return // it belongs to another worker
	}
	plan, err := s.plan(environment())
	if err != nil {
		t.Fatalf("simtest: %v", err)
	}
	replays, err := plan.replaysOf(t.Name(), number)
	if err != nil {
		t.Fatalf("simtest: %v", err)
	}
	if plan.ownProcess || inOwnProcess() {
		s.runHere(t, plan, replays, f)
		return
	}
	s.runInWorkers(t, plan, replays, number)
}

// mustBeValid panics on an invalid search.
func (s *Search) mustBeValid() {
	s.Config.mustBeValid()
	if err := s.Chaos.invalid(); err != nil {
		panic(fmt.Sprintf("simtest: Search.Chaos.%v", err))
	}
	if s.Seeds < 0 {
		panic(fmt.Sprintf("simtest: Search.Seeds is %d: it must be a number of seeds from 1 on, or 0 for %d", s.Seeds, defaultSeeds))
	}
}

// seeds returns the number of seeds, if no variable sets it.
func (s *Search) seeds() int {
	if s.Seeds == 0 {
		return defaultSeeds
	}
	return s.Seeds
}

// stopAfter returns the number of groups after which to stop; 0 is never.
func (s *Search) stopAfter() int {
	if s.StopAfter == 0 {
		return defaultStopAfter
	}
	return max(0, s.StopAfter)
}

// shrinkTime returns the time limit for shrinking; 0 is no shrinking.
func (s *Search) shrinkTime() time.Duration {
	if s.Shrink == 0 {
		return defaultShrink
	}
	return max(0, s.Shrink)
}

// memory returns the limit of a worker's memory; 0 is none.
func (s *Search) memory() int64 {
	if s.Memory == 0 {
		return defaultMemory
	}
	return max(0, s.Memory)
}

// runHere runs replays and then seeds in the test's own process, one after another.
func (s *Search) runHere(t *testing.T, plan *searchPlan, replays []namedReplay, f func(t *testing.T, sim *Sim)) {
	t.Helper()
	failed := s.runReplaysHere(t, replays, f)
	if plan.replay != "" || failed > 0 && s.stopAfter() > 0 && failed >= s.stopAfter() {
		return
	}
	for seed := range plan.seeds() {
		config := s.Config
		config.Seed = seed
		if config.run(t, f) {
			failed++
		}
		if failed > 0 && failed == s.stopAfter() || plan.timeIsUp() {
			return
		}
	}
}

// searchNumber returns the number, from 1, of the test's search that is about to run.
func searchNumber(t *testing.T) int {
	searches.Lock()
	defer searches.Unlock()
	if searches.begun == nil {
		searches.begun = make(map[*testing.T]int)
	}
	if searches.begun[t] == 0 {
		t.Cleanup(func() {
			searches.Lock()
			defer searches.Unlock()
			delete(searches.begun, t)
		})
	}
	searches.begun[t]++
	return searches.begun[t]
}

// searches counts the searches of running tests.
var searches struct {
	sync.Mutex
	begun map[*testing.T]int
}

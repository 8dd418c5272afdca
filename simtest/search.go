package simtest

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// A Search runs a simulation with many seeds, on all processors, and reports which of
// them fail:
//
//	func TestElection(t *testing.T) {
//		simtest.Search{Seeds: 1000}.Run(t, func(t *testing.T, sim *simtest.Sim) { ... })
//	}
//
// Environment variables set the seeds. Tests without a Search are not affected, so they
// also work with go test ./...:
//
//	SIMTEST_SEEDS=10000     ten thousand seeds instead of Search.Seeds
//	SIMTEST_SEEDS=500-900   the seeds from 500 to 900
//	SIMTEST_TIME=10m        until ten minutes have passed, if SIMTEST_SEEDS sets no bound
//	SIMTEST_SEED=42         this seed, once, in the test's own process, and no replay files
//	SIMTEST_REPLAY=file     this replay file, once, in the test's own process
//	SIMTEST_REPLAYS=dir     replay files are in dir/<Test> instead of testdata/simtest/<Test>
//	SIMTEST_SHARD=3/16      the third of sixteen parts of the seeds, for sixteen machines
//	SIMTEST_SHARD=auto      the part that GitLab, Buildkite or CircleCI assign to this machine
//	SIMTEST_SHRINK=5m       shrinks failures for up to five minutes; 0 does not shrink them
//	SIMTEST_FRESH=1         starts a process for each seed, as Search.Fresh
//	SIMTEST_REPORT=file     appends a report to a file, in JSON, for slownet sweep
//
// An invalid value fails the test before any seed has run. The names of the report file
// and of dir may contain %p, which is replaced by the test's package, with dots for
// slashes; a relative name is relative to the package's folder, where go test runs its
// tests. A shard has the seeds that are equal to its number minus one, modulo the
// number of shards.
//
// # Processes
//
// The seeds run in worker processes, one for each processor: the test's own program,
// started again for this test alone. So a seed that ends its process (by a fatal error,
// a panic or os.Exit), never ends, or uses up all memory, is a failed seed with its
// output, and the search continues with the others. A seed whose worker was killed from
// outside runs again. The consequences:
//
//   - TestMain, and the part of the test before Run, run in each worker and in the
//     test's own process. A worker that does not reach Run is an error.
//   - f reports failures to its own t. Variables that it sets are set in a worker; in the
//     test's own process they do not change.
//   - A worker's t is not the test's, though it has its name. Its clean-ups run
//     after each seed.
//   - Of go test's flags the workers get -test.run for their test, -test.cpu,
//     and -test.gocoverdir, so that go test -cover includes their coverage. They
//     do not get -short or the test's own flags. Without -cpu each worker uses
//     one processor.
//   - Package-level variables keep their values from one seed to the next in a worker.
//     See Fresh.
//   - Several Searches in one test are distinguished by their order.
//
// In a debugger, and with go test -fuzz, SIMTEST_SEED or SIMTEST_REPLAY, there are no
// workers, and f runs in the test's own process, as with [Config.Run].
//
// Seeds run with [Config.KeepPools], which is much faster, until a seed crashes because
// of something that an earlier one left in a pool. That seed and all later ones then
// run without KeepPools.
//
// # Results
//
// A search that takes longer than two seconds shows its progress on standard error. At
// the end it logs a summary: the number of seeds, their simulated time, the number of
// distinct traces, and the number of their shapes. A trace's shape is the sequence of
// kinds and hosts of its events, without times, lengths and repetitions. When no new
// shapes have appeared for a long time, more seeds are unlikely to find more. Each seed
// draws its faults independently: with variations of seeds that had new shapes, four of
// five bugs took more seeds to find. The figures are in docs/exploring.md.
//
// Seeds that fail are grouped by the failure's message, without its numbers, and its
// place. For each group the summary shows the first seed's output, or that of the run
// it was shrunk to, and the command that runs it again. The message is the last line
// that the seed logged with t.Error or t.Fatal, or if log.Fatal or os.Exit ended the
// process with an error, the last line that it printed.
//
// A seed that has not ended after two minutes of real time has failed. On Linux, time
// that its worker spent waiting for a processor does not count, so a loaded machine
// does not fail a seed that is merely slow. A seed has also failed if nothing has
// happened on its network for two minutes of real time, and its worker did not have to
// wait for a processor for at least a fifth of that. After ten seconds, the progress
// names the seed that has run for the longest time. The search stops before go test's
// -timeout ends, and fails then. Ctrl-C prints the summary so far and ends the process;
// a worker ends when its parent does. In both cases the summary names the seeds that
// had been running for ten seconds or more.
//
// # Shrinking
//
// When the seeds have run, the search reruns the first seed of each group and shrinks
// its failure: it removes faults of its [Chaos], and hosts and directions of faults,
// makes faults shorter and weaker, moves them to later and rounder times, and makes the
// quiet period begin earlier, as long as the failure belongs to the same group. That
// takes some hundred runs, on all processors, at most a thousand for each failure, and
// no longer than Search.Shrink; if there are more than ten groups, the others are not
// shrunk. The result does not depend on the number of processors, unless time runs out.
// It is written to a replay file, whose name and text are in the summary, with the
// command that runs it again; if the file cannot be written, only its text is shown.
// If a group has a failed replay file, no other is written for it. For a failure that
// needs no faults, the file has only the seed.
//
// A failure that is not reproduced is not shrunk, and no file is written: the seed is
// run several times, and the differences between runs are reported as by
// [CheckDeterminism]. With SIMTEST_TRACE there are traces of seeds and replay files
// that fail, and of the run that a failure is shrunk to, but not of the runs in
// between.
//
// # Replay files
//
// A replay file describes one run of a simulation: its seed, the faults of its Chaos,
// and the failure. All files in testdata/simtest/<Test> with the extension .replay run
// before any seed, as a fuzz test runs its corpus. A file passes if f passes, which it
// should once the bug is fixed; keep the file then, since the bug may come back. A file
// that fails is a failure of the search, like a seed; its digest shows whether the run
// is identical to the recorded one. Replay files may be edited:
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
// Each line begins with a key. The first line is the version of the format. A fault is
// written as in [Chaos].Schedule, and quiet is the time at which faults are over. If a
// failure needs a certain order among events of one instant, or a random impairment of
// a packet, the file has lines with the keys ties and tie, or draws and draw, that name
// them; all other orders are natural, and other packets are not impaired.
// docs/replay.md describes the whole format. A damaged file, or one of another test,
// fails the test before any seed has run. With several shards, the first one runs the
// files. [Config.Run] runs none.
type Search struct {
	// Config is the configuration of each simulation. Its Seed is the first seed.
	Config Config

	// Seeds is the number of seeds, from Config.Seed on. Zero is 100.
	Seeds int

	// Chaos injects faults into each simulation, drawn from its seed. The zero Chaos
	// means that of the Config.
	Chaos Chaos

	// StopAfter is the number of groups of failures after which the search stops;
	// running seeds have two seconds to end. Zero is 1. If negative, failures do not
	// stop the search.
	StopAfter int

	// Shrink limits the real time for shrinking all failures. Zero is a minute; if
	// negative, failures are not shrunk, and no replay file is written.
	Shrink time.Duration

	// Fresh starts a process for each seed, for code that changes package-level
	// variables. That costs some ten milliseconds per seed. The environment variable
	// SIMTEST_FRESH=1 does so for all searches; see [Config.Fresh].
	Fresh bool

	// Memory is the limit of a worker's resident memory in bytes. A seed that exceeds
	// it fails, with a dump of its goroutines, unless other seeds have run in that
	// worker before and the seed passes in another worker. Zero is 2 GiB; if negative,
	// there is no limit.
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
	mustBeOutside("Search.Run")
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
		return // the search belongs to another worker
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

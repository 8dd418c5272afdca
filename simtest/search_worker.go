package simtest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// workerVariable makes a process a worker. It contains the parent's process ID, the two
// files for communication, the number of the test's search, and the test's name.
const workerVariable = "SIMTEST_WORKER"

// A searchJob is a request to a worker: to run a seed, to report its progress, or to
// print the goroutines of its simulation and end. In JSON it is one line.
type searchJob struct {
	Dump      bool   `json:"dump,omitempty"`
	Progress  bool   `json:"progress,omitempty"`
	Seed      uint64 `json:"seed"`
	KeepPools bool   `json:"keepPools,omitempty"`
	Replay    string `json:"replay,omitempty"`   // the text of a replay, which runs instead of the seed
	Untraced  bool   `json:"untraced,omitempty"` // ignore SIMTEST_TRACE

	Tell   bool `json:"tell,omitempty"`   // report each fault when it begins, since the process may die
	Decide bool `json:"decide,omitempty"` // report random decisions
	Check  bool `json:"check,omitempty"`  // run the seed several times, and report differences

	Record bool         `json:"record,omitempty"` // keep a recording for queries
	Query  *recordQuery `json:"query,omitempty"`  // query the recording

	alone   bool          // it must run in a process that has run no other job
	number  int           // of a candidate
	timeout time.Duration // real time limit; 0 is the default
}

// A searchResult is a worker's message: that it is ready, the progress of a seed, or
// the outcome of a job.
type searchResult struct {
	Ready     bool          `json:"ready,omitempty"`
	Seed      uint64        `json:"seed"`
	Failed    bool          `json:"failed,omitempty"`
	Skipped   bool          `json:"skipped,omitempty"`
	Spent     bool          `json:"spent,omitempty"`  // something is left of the seed, so the worker should be replaced
	Traced    bool          `json:"traced,omitempty"` // the following fields are set
	Digest    uint64        `json:"digest,omitempty"` // of the trace
	Shape     uint64        `json:"shape,omitempty"`
	Simulated time.Duration `json:"simulated,omitempty"`
	Schedule  []string      `json:"schedule,omitempty"` // the faults that were carried out
	Quiet     time.Duration `json:"quiet,omitempty"`    // the time at which faults are over
	Going     bool          `json:"going,omitempty"`    // the seed has not ended yet; one fault has begun, or none
	Progress  uint64        `json:"progress,omitempty"` // a changed value means progress
	Report    string        `json:"report,omitempty"`   // differences between runs

	Decided *searchDecisions `json:"decided,omitempty"`
	Record  *recordPart      `json:"record,omitempty"`
}

// A searchWorker is a process that runs seeds for a search in another process.
type searchWorker struct {
	test   string
	number int // of the search
	memory int64
	call   string // the API call that the worker serves; set only in the parent
	fresh  int    // the worker's SIMTEST_FRESH, unless the variable is set already; set only in the parent

	from *os.File // the parent
	to   *os.File
	jobs chan searchJob // closed when there are no more
	busy atomic.Bool    // a seed runs

	simulations atomic.Uint64       // number of simulations that have begun
	simulation  atomic.Pointer[Sim] // the latest
}

// thisWorker returns the worker if this process is one, or nil.
var thisWorker = sync.OnceValue(func() *searchWorker {
	w := workerOf(os.Getenv(workerVariable), os.Getppid())
	if w != nil {
		_ = os.Unsetenv(workerVariable)
	}
	return w
})

// workerOf parses the variable. It returns nil if the parent is not the one in the
// variable: a worker's children inherit the variable but have another parent, and a
// worker whose parent has ended has another one as well.
func workerOf(text string, parent int) *searchWorker {
	words := strings.SplitN(text, ":", 6)
	if len(words) != 6 {
		return nil
	}
	var numbers [5]int64
	for i := range numbers {
		number, err := strconv.ParseInt(words[i], 10, 64)
		if err != nil {
			return nil
		}
		numbers[i] = number
	}
	if int(numbers[0]) != parent {
		return nil
	}
	return &searchWorker{
		number: int(numbers[3]), memory: numbers[4], test: words[5], jobs: make(chan searchJob),
		from: inheritedFile(uintptr(numbers[1])), to: inheritedFile(uintptr(numbers[2])),
	}
}

// variable returns the environment variable for a worker with the given files.
func (w *searchWorker) variable(from, to uintptr) string {
	return fmt.Sprintf("%s=%d:%d:%d:%d:%d:%s", workerVariable, os.Getpid(), from, to, w.number, w.memory, w.test)
}

// serves reports whether a search is the one that the worker serves.
func (w *searchWorker) serves(t *testing.T, number int) bool {
	return t.Name() == w.test && number == w.number
}

// serve runs seeds that the parent requests until there are no more. Then it ends the
// test.
func (w *searchWorker) serve(t *testing.T, s Search, f func(t *testing.T, sim *Sim)) {
	if w.memory > 0 {
		if os.Getenv("GOMEMLIMIT") == "" {
			debug.SetMemoryLimit(w.memory / 4 * 3) // so that garbage does not cause the limit to be exceeded
		}
		watchOwnMemory(w.memory)
	}
	if isParallel(t) {
		s.Config.KeepRand = true // as in the test's own process, so that seeds can be rerun there
	}
	run := func(t *testing.T, sim *Sim) {
		w.simulation.Store(sim)
		w.simulations.Add(1)
		f(t, sim)
	}
	dropTrace := func() {
		if s.Config.recording != nil {
			s.Config.recording.dropTrace()
		}
	}
	defer dropTrace()
	go w.read()
	w.send(searchResult{Ready: true})
	for job := range w.jobs {
		var result searchResult
		switch {
		case job.Query != nil && s.Config.recording != nil:
			result.Record = s.Config.recording.answer(job.Query)
		case job.Check:
			result = s.checkSeed(t, job, run)
		default:
			if job.Record {
				dropTrace()
				s.Config.recording = newRecording(nil)
			}
			result = s.runSeed(t, job, run, w.send)
		}
		if t.Failed() { // f uses the outer t
			result.Failed, result.Spent = true, true
		}
		w.busy.Store(false)
		w.simulation.Store(nil)
		w.send(result)
	}
	t.SkipNow()
}

// read passes on the parent's requests. If the pipe is closed while a seed runs, the
// parent has ended, or has given the seed up.
func (w *searchWorker) read() {
	defer close(w.jobs)
	lines := bufio.NewReader(w.from)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var job searchJob
		if err := json.Unmarshal(line, &job); err != nil {
			fmt.Fprintf(os.Stderr, "simtest: a worker cannot read its job: %v\n", err)
			break
		}
		if job.Dump {
			_, _ = os.Stderr.WriteString(dumpBubbles(dumpAll()))
			os.Exit(1)
		}
		if job.Progress {
			w.send(searchResult{Progress: w.progress()})
			continue
		}
		w.busy.Store(true)
		w.jobs <- job
	}
	if w.busy.Load() {
		os.Exit(1)
	}
}

// progress returns a number above 0 that changes when something happens in the seed's
// simulation, or another simulation begins.
func (w *searchWorker) progress() uint64 {
	progress := w.simulations.Load()<<40 + 1
	if sim := w.simulation.Load(); sim != nil {
		progress += sim.turns.Load()
	}
	return progress
}

// dumpBubbles returns the goroutines of a dump that are in bubbles, first those that do
// not wait for their simulation, without the simulation's own goroutines. If there are
// none, it returns the whole dump. A goroutine that assists the garbage collector
// appears outside its bubble.
func dumpBubbles(dump string) string {
	var going, waiting strings.Builder
	for block := range strings.SplitSeq(strings.TrimRight(dump, "\n"), "\n\n") {
		header, calls, _ := strings.Cut(block, "\n")
		switch {
		case !isForeign(calls) || !bubbleNumber.MatchString(header) && !strings.Contains(header, " [runn"):
		case isDurable(header):
			waiting.WriteString("\n" + block + "\n")
		default:
			going.WriteString("\n" + block + "\n")
		}
	}
	if going.Len()+waiting.Len() == 0 {
		return "\n" + dump
	}
	return going.String() + waiting.String()
}

// isForeign reports whether a goroutine's trace has a call that is neither of this
// package nor of the packages that run tests.
func isForeign(calls string) bool {
	function := ""
	for line := range strings.Lines(calls) {
		if file, ok := frameFile(line); ok && strings.HasPrefix(line, "\t") {
			f := frame{function: functionOf(function), file: file}
			if !strings.HasPrefix(function, "created by ") && !f.own() && !isPartOf(packageOf(f.function), "runtime", "testing", "internal") {
				return true
			}
		}
		function = line
	}
	return false
}

// send sends a message to the parent. All output of a seed is written before its result
// is sent.
func (w *searchWorker) send(r searchResult) {
	line, err := json.Marshal(r)
	if err == nil {
		_, err = w.to.Write(append(line, '\n'))
	}
	if err != nil {
		os.Exit(1) // the parent has ended
	}
}

// runSeed runs f with a seed, in a test of its own that has t's name. If job.Tell is
// set, it reports faults as they begin.
func (s *Search) runSeed(t *testing.T, job searchJob, f func(t *testing.T, sim *Sim), tell func(searchResult)) searchResult {
	r := searchResult{Seed: job.Seed}
	config := s.seedConfig(job)
	config.chaos = newChaosRun(&config.Chaos)
	if job.Tell && config.chaos != nil {
		config.chaos.tell = func(quiet time.Duration, faults ...scheduledFault) {
			tell(searchResult{Going: true, Quiet: quiet, Schedule: chaosSchedule(faults).lines()})
		}
	}
	if job.Replay != "" {
		replay, err := parseReplay("a job", []byte(job.Replay))
		if err != nil {
			panic(fmt.Sprintf("simtest: %v", err)) // the parent has written the replay
		}
		replay.apply(&config)
		config.traceWord = strings.TrimSuffix(replay.fileName(), replayEnding)
	}
	config.untraced = job.Untraced
	if job.Decide {
		config.decided = &decisions{}
	}
	var shape shape
	hook := config.Trace
	config.Trace = func(e trace.Event) {
		shape.event(e)
		if hook != nil {
			hook(e)
		}
	}
	goroutines := runtime.NumGoroutine()
	var ran atomic.Pointer[Sim]
	r.Failed = !runInTest(t.Name(), func(t *testing.T) {
		defer func() { r.Skipped = t.Skipped() }()
		config.run(t, func(t *testing.T, sim *Sim) {
			ran.Store(sim)
			f(t, sim)
		})
	})
	r.Spent = r.Failed && runtime.NumGoroutine() > goroutines
	chaos := config.chaos.outcome()
	r.Schedule, r.Quiet = chaos.schedule.lines(), chaos.quiet
	if sim := ran.Load(); sim != nil && sim.mu.TryLock() { // a stuck simulation may hold the lock
		r.Traced, r.Digest, r.Shape = true, uint64(sim.trace.digest), shape.digest
		r.Decided = config.decided.forSearch()
		sim.mu.Unlock()
		r.Simulated = max(0, time.Duration(sim.took.Load()))
	}
	return r
}

// seedConfig returns the Config of a seed.
func (s *Search) seedConfig(job searchJob) Config {
	config := s.Config
	config.Seed = job.Seed
	config.KeepPools = config.KeepPools || job.KeepPools
	return config
}

// checkRuns is the number of times that a seed is run to find differences.
const checkRuns = 5

// checkSeed runs f with a seed several times, as CheckDeterminism does, and reports
// where a run differs from the first.
func (s *Search) checkSeed(t *testing.T, job searchJob, f func(t *testing.T, sim *Sim)) searchResult {
	r := searchResult{Seed: job.Seed}
	goroutines := runtime.NumGoroutine()
	var first *recording
	for run := 0; run < checkRuns && r.Report == ""; run++ {
		config := s.seedConfig(job)
		config.recording = newRecording(first)
		config.recording.holds = true
		runInTest(t.Name(), func(t *testing.T) { config.run(t, f) })
		if first == nil {
			first = config.recording
			defer first.dropTrace()
			continue
		}
		if r.Report = config.recording.compare(); r.Report != "" {
			r.Report += "\n" + config.recording.keepTraces()
		}
		config.recording.dropTrace()
	}
	r.Spent = runtime.NumGoroutine() > goroutines
	return r
}

// runInTest runs f in a test of its own, with the flags of a worker, and reports
// whether it has passed.
func runInTest(name string, f func(t *testing.T)) (passed bool) {
	all := func(string, string) (bool, error) { return true, nil }
	return testing.RunTests(all, []testing.InternalTest{{Name: name, F: f}})
}

// isParallel reports whether a test, or a parent of it, is parallel. The test cannot
// become parallel afterwards.
func isParallel(t *testing.T) (parallel bool) {
	defer func() {
		// Setenv panics only in a parallel test.
		parallel = recover() != nil
	}()
	t.Setenv(workerVariable, "")
	return false
}

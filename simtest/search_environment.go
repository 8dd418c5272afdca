package simtest

import (
	"errors"
	"flag"
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/sweep"
)

// A searchPlan holds the seeds that a search runs, and its settings from the
// environment.
type searchPlan struct {
	wanted     sweep.Range // of all shards together
	shard      sweep.Shard
	until      time.Time // the end of the time limit; zero for none
	lasts      time.Duration
	report     string        // a file; empty is none
	replays    string        // the folder of all tests' replay files, which need not exist; empty is none
	noReplays  bool          // replay files do not run
	shrink     time.Duration // the time limit for shrinking; 0 is no shrinking
	replay     string        // the only file that runs; empty is all files of the test
	ownProcess bool
}

// The environment variables of a search, besides SIMTEST_SEED.
const (
	seedsVariable   = "SIMTEST_SEEDS"
	timeVariable    = "SIMTEST_TIME"
	shardVariable   = "SIMTEST_SHARD"
	reportVariable  = "SIMTEST_REPORT"
	replaysVariable = "SIMTEST_REPLAYS"
	replayVariable  = "SIMTEST_REPLAY"
	shrinkVariable  = "SIMTEST_SHRINK"
)

// An environ returns the values of environment variables.
type environ func(name string) string

// environment returns the environment of the process.
func environment() environ { return os.Getenv }

// plan reads the variables. An error names the variable, what is wrong with it, and how
// to fix it.
func (s *Search) plan(get environ) (*searchPlan, error) {
	first := s.Config.Seed
	fresh, err := parseFresh(get(freshVariable), 0)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "simtest: "))
	}
	if err := s.checkOverlay(get); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "simtest: "))
	}
	s.Fresh = s.Fresh || fresh > 0 || s.Config.Fresh > 0
	p := &searchPlan{wanted: seedsFrom(first, uint64(s.seeds()))}
	text := get(seedsVariable)
	if text != "" {
		var ok bool
		if p.wanted, ok = parseSeeds(text, first); !ok {
			return nil, fmt.Errorf("%s is %q, which is neither a number of seeds nor a range: set it to a number from 1 on, such as 10000, or to the first and the last seed, such as 500-900, or unset it", seedsVariable, text)
		}
	}
	if lasts := get(timeVariable); lasts != "" {
		d, err := time.ParseDuration(lasts)
		if err != nil || d <= 0 {
			return nil, fmt.Errorf("%s is %q, which is not a time limit: set it to a duration such as 30s, 10m or 2h, or unset it", timeVariable, lasts)
		}
		p.lasts, p.until = d, time.Now().Add(d)
		if text == "" {
			p.wanted.Last = sweep.Endless
		}
	}
	if p.shard, err = parseShard(get); err != nil {
		return nil, err
	}
	if p.report, err = reportFile(get(reportVariable)); err != nil {
		return nil, err
	}
	if err := checkTraceFolder(get(traceVariable)); err != nil {
		return nil, err
	}
	p.shrink = s.shrinkTime()
	if text := get(shrinkVariable); text != "" {
		if p.shrink, err = time.ParseDuration(text); err != nil || p.shrink < 0 {
			return nil, fmt.Errorf("%s is %q, which is not a time limit for shrinking: set it to a duration such as 30s or 5m, or to 0 for no shrinking, or unset it", shrinkVariable, text)
		}
	}
	p.replays = replayFolder
	if text := get(replaysVariable); text != "" {
		p.replays = filepath.Clean(forPackage(text))
		if info, err := os.Stat(inPackage(p.replays)); err == nil && !info.IsDir() {
			return nil, fmt.Errorf("%s is %q, which is a file; %s is for a single file: set it to a folder, which need not exist, or unset it", replaysVariable, text, replayVariable)
		}
	}
	p.noReplays = p.shard.Index > 1
	if p.replay = get(replayVariable); p.replay != "" {
		if get(seedVariable) != "" {
			return nil, fmt.Errorf("%s is %q, and %s is set as well: set one of them, or unset it", replayVariable, p.replay, seedVariable)
		}
		p.ownProcess = true
		return p, nil
	}
	if text := get(seedVariable); text != "" { // it takes precedence over all others
		seed, err := parseSeed(text, first)
		if err != nil {
			return nil, errors.New(strings.TrimPrefix(err.Error(), "simtest: "))
		}
		return &searchPlan{wanted: sweep.Range{First: seed, Last: seed}, ownProcess: true}, nil
	}
	return p, nil
}

// checkOverlay returns an error if every simulation would fail because of the overlay's
// variables, or because the schedule needs a layer that is off.
func (s *Search) checkOverlay(get environ) error {
	schedule := s.Config.Schedule
	if get(replayVariable) != "" {
		schedule = 0 // the replay has its own
	}
	layers, err := layersFrom(get)
	if err == nil {
		_, err = scheduleFrom(get, schedule, layers)
	}
	return err
}

// seedsFrom returns a range of n seeds, n > 0, or fewer if there are no more.
func seedsFrom(first, n uint64) sweep.Range {
	return sweep.Range{First: first, Last: first + min(n-1, math.MaxUint64-first)}
}

// parseSeeds parses a number of seeds, starting at first, or a range.
func parseSeeds(text string, first uint64) (r sweep.Range, ok bool) {
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return seedsFrom(first, max(n, 1)), n > 0
	}
	if strings.HasSuffix(text, "-") {
		return r, false // no range without an end, unless SIMTEST_TIME sets a bound
	}
	r, err := sweep.ParseRange(text)
	return r, err == nil
}

// reportFile returns the name of the file for reports, and checks that it can be
// written.
func reportFile(text string) (name string, err error) {
	if text == "" {
		return "", nil
	}
	name = forPackage(text)
	if name, err = filepath.Abs(name); err == nil {
		var file *os.File
		if file, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666); err == nil {
			err = file.Close()
		}
	}
	if err != nil {
		return "", fmt.Errorf("%s is %q, and no report can be written there: %w: set it to a file in a folder that exists, or unset it", reportVariable, text, err)
	}
	return name, nil
}

// forPackage replaces %p in a name by the package.
func forPackage(text string) string {
	return strings.ReplaceAll(text, "%p", strings.ReplaceAll(packagePath(), "/", "."))
}

// packagePath returns the import path of the package under test, if it is known.
func packagePath() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return strings.TrimSuffix(info.Path, ".test")
	}
	return testedPackage()
}

// seeds returns the seeds of the shard, in order.
func (p *searchPlan) seeds() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		seed, step := p.wanted.First, p.shard.Step()
		for !p.shard.Has(seed) {
			if seed == p.wanted.Last {
				return
			}
			seed++
		}
		for yield(seed) && p.wanted.Last-seed >= step {
			seed += step
		}
	}
}

// count returns the number of seeds in the shard, or 0 if it is unknown.
func (p *searchPlan) count() (n uint64) {
	if p.wanted.Last == sweep.Endless {
		return 0
	}
	for seed := range p.seeds() {
		return (p.wanted.Last-seed)/p.shard.Step() + 1
	}
	return 0
}

// timeIsUp reports whether the time limit of the search has passed.
func (p *searchPlan) timeIsUp() bool { return !p.until.IsZero() && !time.Now().Before(p.until) }

// inOwnProcess reports whether seeds have to run in the test's own process: under a
// debugger, which would not be attached to the workers, in go test's processes for
// fuzzing, or if the system has no processes.
func inOwnProcess() bool {
	for _, name := range []string{"test.fuzz", "test.fuzzworker"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" && f.Value.String() != "false" {
			return true
		}
	}
	switch runtime.GOOS {
	case "js", "wasip1", "ios", "plan9":
		return true
	}
	return traced()
}

// traced reports whether a debugger is attached to the process, as far as the system
// reports it.
func traced() bool {
	status, err := os.ReadFile("/proc/self/status")
	return err == nil && hasTracer(string(status))
}

// hasTracer parses a process's status on Linux.
func hasTracer(status string) bool {
	for line := range strings.Lines(status) {
		if pid, ok := strings.CutPrefix(line, "TracerPid:"); ok {
			return strings.TrimSpace(pid) != "0"
		}
	}
	return false
}

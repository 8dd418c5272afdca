package simtest

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/sweep"
)

// A search runs the replay files of its test before any seed, in the same processes.

// replaysOf returns the replays that a search runs, in the order of their files' names.
// The error names each file that cannot be run, and says what to do.
func (p *searchPlan) replaysOf(test string, number int) (replays []namedReplay, err error) {
	switch {
	case p.replay != "":
		r, err := readReplay(p.replay)
		if err != nil {
			return nil, p.replayError(err)
		}
		if r.test != "" && topLevel(r.test) != topLevel(test) {
			return nil, fmt.Errorf("%s is %q, which is a replay of %s: run that test alone, with -run, or unset the variable", replayVariable, p.replay, r.test)
		}
		if r.isOf(test, number) {
			replays = append(replays, namedReplay{p.replay, r})
		}
		return replays, nil
	case p.replays == "":
		return nil, nil // with SIMTEST_SEED
	}
	all, err := readReplays(replayFolderOf(p.replays, test))
	errs := []error{err}
	for _, r := range all {
		switch {
		case r.test != "" && r.test != test:
			errs = append(errs, fmt.Errorf("%s: it is a replay of %s, in the folder of %s: move it to %s, or delete its line %q if the test was renamed, or delete the file",
				r.name, r.test, test, replayFolderOf(p.replays, r.test), keyTest+" "+r.test))
		case r.isOf(test, number):
			replays = append(replays, r)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("no seed has run, because these replay files cannot:\n%w", err)
	}
	if p.noReplays {
		return nil, nil
	}
	return replays, nil
}

// replayError returns the error of reading the file of SIMTEST_REPLAY. The
// error of a damaged replay file says where it is damaged, and how to fix it.
func (p *searchPlan) replayError(err error) error {
	const advice = "set it to a replay file, relative to the package's folder, or unset it"
	var unread *fs.PathError
	var wrong *wrongFileError
	switch {
	case errors.As(err, &unread):
		return fmt.Errorf("%s is %q, which cannot be read: %w: %s", replayVariable, p.replay, unread.Err, advice)
	case errors.As(err, &wrong):
		return fmt.Errorf("%s is %q, and that %w: %s", replayVariable, p.replay, wrong, advice)
	}
	return fmt.Errorf("%s: %w", replayVariable, err)
}

// isOf reports whether a replay belongs to a search of a test.
func (r *replay) isOf(test string, number int) bool {
	return (r.test == "" || r.test == test) && max(1, r.search) == number
}

// topLevel returns the top-level test of a subtest.
func topLevel(test string) string {
	test, _, _ = strings.Cut(test, "/")
	return test
}

// comparedText says whether a failed run is the one recorded in its file, as far as it
// has run. The text is empty if no replay runs.
func (r *namedReplay) comparedText(s *Sim) string {
	if r == nil || s == nil || !s.mu.TryLock() {
		return ""
	}
	digest := uint64(s.trace.digest)
	s.mu.Unlock()
	return r.compared(digest, "")
}

// compared says whether a failed run is the one recorded in the file. The message is
// that of the failure, or empty if it is unknown.
func (r *namedReplay) compared(digest uint64, message string) string {
	var text strings.Builder
	switch now := digestText(digest); r.digest {
	case unknownDigest:
	case now:
		text.WriteString("it is the same run as when the file was written.\n")
	default:
		fmt.Fprintf(&text, "it is not the same run as when the file was written: its digest is %s, and it was %s. The program has changed since, or Go, which was %s, or simtest.\n", now, r.digest, r.goVersion)
	}
	if r.message != "" && message != "" && maskNumbers(r.message) != maskNumbers(message) {
		fmt.Fprintf(&text, "the recorded failure: %s\n", r.message)
	}
	return text.String()
}

func digestText(digest uint64) string { return fmt.Sprintf("%016x", digest) }

// runReplaysHere runs replays in the test's own process, and returns the number of
// failures.
func (s *Search) runReplaysHere(t *testing.T, replays []namedReplay, f func(t *testing.T, sim *Sim)) (failed int) {
	t.Helper()
	for _, r := range replays {
		config := s.Config
		r.apply(&config)
		config.replay = &r
		if config.run(t, f) {
			failed++
		}
	}
	return failed
}

// runReplays runs all replays in workers, and records the failures.
func (run *searchRun) runReplays(workers int) {
	left := run.replays
	byText := make(map[string]*namedReplay)
	run.runPhase(phase{
		over: run.over, giveUp: run.giveUp,
		next: func() (searchJob, bool) {
			if len(left) == 0 {
				return searchJob{}, false
			}
			r := left[0]
			left = left[1:]
			text := r.text()
			byText[text] = &r
			return searchJob{Seed: r.seed, Replay: text, KeepPools: run.pools}, true
		},
		note: func(job searchJob, o searchOutcome) {
			run.replayed++
			run.simulated += o.Simulated
			if o.Failed {
				run.replaysFailed++
				run.groupReplayLocked(byText[job.Replay], o)
			}
		},
		name: func(job searchJob) string { return byText[job.Replay].name },
		givenUp: func(job searchJob, after time.Duration) {
			r := byText[job.Replay]
			run.noteGivenUpLocked(r.name, after, run.againReplay(r))
		},
	}, min(workers, len(run.replays)))
	run.mu.Lock()
	defer run.mu.Unlock()
	run.stopIfEnoughLocked()
}

// groupReplayLocked adds a failed replay to its group.
func (run *searchRun) groupReplayLocked(r *namedReplay, o searchOutcome) {
	f := run.findingOf(o)
	g := run.groupOfLocked(f)
	g.Replays++
	if g.Replays > 1 && r.name > g.Replay { // the first one is shown
		return
	}
	g.Message, g.Place, g.Output = f.failure.message, f.failure.place, f.output
	g.Replay, g.ReplayText, g.Rerun = r.name, r.text(), run.againReplay(r)
	g.Note = ""
	if o.Traced {
		g.Note = r.compared(o.Digest, f.failure.message)
	}
}

// replaysText describes the outcome of the replay files.
func (run *searchRun) replaysText() string {
	switch {
	case run.replayed == 0:
		return ""
	case run.replaysFailed == 0:
		return fmt.Sprintf("\n%s passed.", count(run.replayed, "replay file", "replay files"))
	}
	return fmt.Sprintf("\n%d of %s failed.", run.replaysFailed, count(run.replayed, "replay file", "replay files"))
}

// whatRan names the first run of a group.
func whatRan(g *sweep.Group) string {
	if g.Replays > 0 {
		return g.Replay
	}
	return fmt.Sprintf("seed %d", g.First())
}

package simtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/sweep"
)

// When the seeds have run, a search reruns the first failed seed of each group, makes
// its faults fewer and smaller, and writes the result to a replay file.

const (
	maxShrunk     = 10   // groups of failures
	maxShrinkRuns = 1000 // for one failure
	maxShownText  = 40   // lines of a replay file
)

// A finding is the run of the first seed of a group.
type finding struct {
	searchOutcome
	failure searchFailure
}

// A shrunkFailure is the result of shrinking a finding.
type shrunkFailure struct {
	finding         // the last run that failed in the same way
	replay  *replay // nil if there is none to write
	from    int     // the number of faults at first
	smaller bool    // it could be shrunk
	runs    int
	took    time.Duration
	left    string // the reason why it could perhaps be shrunk further; empty if it cannot
}

// errShrinkTime is the reason why shrinking ended early.
var errShrinkTime = errors.New("the time limit of Search.Shrink or " + shrinkVariable + " has passed")

// shrinkFailures shrinks failures one after another, each on all servers at once, and
// writes their replay files.
func (run *searchRun) shrinkFailures(servers int) {
	run.mu.Lock()
	var groups []sweep.Group
	for _, g := range run.groupsLocked() {
		if g.Replays == 0 && len(groups) < maxShrunk {
			groups = append(groups, g)
		}
	}
	if run.plan.shrink <= 0 || run.err != nil {
		groups = nil
	}
	run.mu.Unlock()
	until := time.Now().Add(run.plan.shrink)
	for i := range groups {
		share := time.Until(until) / time.Duration(len(groups)-i)
		ctx, cancel := context.WithTimeoutCause(run.shrinking, share, errShrinkTime)
		run.shrinkGroup(ctx, groups[i].ID, servers)
		cancel()
	}
}

// shrinkGroup shrinks a group's failure, and records the result.
func (run *searchRun) shrinkGroup(ctx context.Context, id string, servers int) {
	run.mu.Lock()
	first := run.found[id]
	run.mu.Unlock()
	run.tellShrinking(first.Seed, 0, 0)
	again, ok := run.runOnce(ctx, searchJob{Seed: first.Seed, Tell: true})
	switch {
	case !ok:
		s := &shrunkFailure{finding: first, left: fmt.Sprintf("It was not shrunk: %v.", context.Cause(ctx))}
		if first.died == "" { // otherwise its faults are not known
			s.replay = run.replayOf(first)
		}
		run.noteShrunk(id, s)
	case !first.isLike(again):
		run.noteNotRepeated(ctx, id, again)
	default:
		run.noteShrunk(id, run.shrunk(ctx, again, servers))
	}
}

// shrunk shrinks a failure.
func (run *searchRun) shrunk(ctx context.Context, first finding, servers int) *shrunkFailure {
	began := time.Now()
	found := make(map[*replay]finding)
	whole := run.replayOf(first)
	s := newShrinker(whole, maxShrinkRuns, nil)
	s.first = func(candidates []*replay) (int, bool) {
		run.tellShrinking(first.Seed, s.runs, len(s.best.schedule))
		i, f, ok := run.firstLike(ctx, first, candidates, servers)
		if ok && i >= 0 {
			found[candidates[i]] = f
		}
		return i, ok
	}
	s.decide = func(r *replay) (*decisions, bool) {
		f, ok := run.runOnce(ctx, searchJob{Seed: r.seed, Replay: r.text(), Untraced: true, Decide: true})
		if !ok || !first.isLike(f) {
			return nil, false
		}
		return f.Decided.decisions()
	}
	if whole.quiet > 0 && s.try([]*replay{whole}) < 0 {
		if ctx.Err() != nil {
			return &shrunkFailure{finding: first, replay: whole, left: fmt.Sprintf("It was not shrunk: %v.", context.Cause(ctx))}
		}
		return &shrunkFailure{finding: first, left: "It does not fail if its faults are given instead of drawn from the seed, so no replay file is written."}
	}
	s.shrink()
	best, ok := found[s.best]
	if !ok {
		best = first
	}
	if os.Getenv(traceVariable) != "" { // candidates have no traces
		if f, ok := run.runOnce(ctx, searchJob{Seed: s.best.seed, Replay: s.best.text()}); ok && first.isLike(f) {
			best = f
		}
	}
	result := &shrunkFailure{finding: best, replay: run.outcomeOf(s.best, best), from: len(whole.schedule), smaller: s.best.fileName() != whole.fileName(), runs: s.runs, took: time.Since(began)}
	switch {
	case !s.ended:
	case ctx.Err() != nil:
		result.left = fmt.Sprintf("It could perhaps be shrunk further: %v.", context.Cause(ctx))
	default:
		result.left = fmt.Sprintf("It could perhaps be shrunk further: it was run %d times, which is the limit.", s.runs)
	}
	return result
}

// isLike reports whether a run has failed like another: with the same message except
// for numbers, at the same place. The place of a run that does not end is random.
func (f finding) isLike(other finding) bool {
	if !other.Failed {
		return false
	}
	if f.ended && other.ended {
		return maskNumbers(f.failure.message) == maskNumbers(other.failure.message)
	}
	return f.failure.id() == other.failure.id()
}

// findingOf returns the finding of a run.
func (run *searchRun) findingOf(o searchOutcome) finding {
	output := cleanOutput(run.test, o.output)
	f := finding{o, failureOf(output, o.died, o.ended)}
	f.output = withoutRerun(output)
	if o.died != "" {
		f.output += "\n" + o.died
	}
	return f
}

// replayOf returns the replay of a seed's run.
func (run *searchRun) replayOf(f finding) *replay {
	r := &replay{seed: f.Seed, layers: Overlay(), order: run.search.Config.scheduleNow(), quiet: f.Quiet, test: run.test, search: run.number}
	r.schedule, _ = parseSchedule(strings.Join(f.Schedule, "\n")) // valid, since a worker has written it
	return run.outcomeOf(r, f)
}

// outcomeOf returns a replay with its outcome.
func (run *searchRun) outcomeOf(r *replay, f finding) *replay {
	withOutcome := *r
	withOutcome.goVersion, withOutcome.message, withOutcome.digest = runtime.Version(), f.failure.message, unknownDigest
	if f.Traced {
		withOutcome.digest = digestText(f.Digest)
	}
	return &withOutcome
}

// runOnce runs one job. ok is false if there was no time for it.
func (run *searchRun) runOnce(ctx context.Context, job searchJob) (f finding, ok bool) {
	given := false
	run.runPhase(run.shrinkPhase(ctx, func() (searchJob, bool) {
		defer func() { given = true }()
		return job, !given
	}, func(_ searchJob, o searchOutcome) {
		f, ok = run.findingOf(o), true
	}), 1)
	return f, ok
}

// firstLike runs candidates, as many at once as there are servers, and returns the
// index of the first that fails like the given run. The result does not depend on the
// number of servers: a candidate counts only after all earlier ones have passed.
func (run *searchRun) firstLike(ctx context.Context, like finding, candidates []*replay, servers int) (first int, f finding, ok bool) {
	next, done := 0, make([]bool, len(candidates))
	first = len(candidates)
	run.runPhase(run.shrinkPhase(ctx, func() (searchJob, bool) {
		if next >= first {
			return searchJob{}, false
		}
		next++
		r := candidates[next-1]
		return searchJob{Seed: r.seed, Replay: r.text(), Untraced: true, number: next - 1}, true
	}, func(job searchJob, o searchOutcome) {
		done[job.number] = true
		if job.number > first {
			return
		}
		if found := run.findingOf(o); like.isLike(found) {
			first, f = job.number, found
		}
	}), min(servers, len(candidates)))
	for i := range min(first+1, len(candidates)) {
		if !done[i] {
			return -1, f, false
		}
	}
	if first == len(candidates) {
		first = -1
	}
	return first, f, true
}

// shrinkPhase returns a phase that lasts until ctx ends.
func (run *searchRun) shrinkPhase(ctx context.Context, next func() (searchJob, bool), note func(searchJob, searchOutcome)) phase {
	return phase{
		over: ctx.Done(), giveUp: ctx.Done(), note: note,
		next: func() (searchJob, bool) {
			job, ok := next()
			job.KeepPools = run.pools
			job.timeout = run.shrinkTimeout()
			return job, ok
		},
	}
}

// shrinkTimeout returns the limit of a candidate's real time: many times the time of
// the slowest seed that ended.
func (run *searchRun) shrinkTimeout() time.Duration {
	return min(seedTimeout, max(minShrinkTimeout, 20*run.slowest))
}

// minShrinkTimeout is the least time for a candidate.
const minShrinkTimeout = time.Second

// tellShrinking sets the text of the progress.
func (run *searchRun) tellShrinking(seed uint64, runs, faults int) {
	run.mu.Lock()
	defer run.mu.Unlock()
	run.shrinks = fmt.Sprintf("makes the failure of seed %d smaller: %s", seed, count(runs, "run", "runs"))
	if faults > 0 {
		run.shrinks += fmt.Sprintf(", %s left", count(faults, "fault", "faults"))
	}
}

// noteShrunk writes a replay file, and records it in its group.
func (run *searchRun) noteShrunk(id string, s *shrunkFailure) {
	run.mu.Lock()
	defer run.mu.Unlock()
	g := run.groups[id]
	g.Message, g.Place, g.Output = s.failure.message, s.failure.place, s.output
	var note []string
	if s.replay == nil {
		note = append(note, s.left)
	} else {
		switch now := len(s.replay.schedule); {
		case now < s.from:
			note = append(note, fmt.Sprintf("In %s, %v, it was shrunk from %s to %d.", count(s.runs, "run", "runs"), sweep.Round(s.took), count(s.from, "fault", "faults"), now))
		case s.smaller:
			note = append(note, fmt.Sprintf("In %s, %v, it was shrunk, with as many faults: %d.", count(s.runs, "run", "runs"), sweep.Round(s.took), now))
		case s.runs > 0 && s.left == "":
			note = append(note, fmt.Sprintf("In %s, %v, it could not be shrunk.", count(s.runs, "run", "runs"), sweep.Round(s.took)))
		}
		if s.left != "" {
			note = append(note, s.left)
		}
		note = append(note, run.writeReplayLocked(g, s.replay)...)
	}
	g.Note = strings.Join(note, "\n")
}

// writeReplayLocked writes a group's replay file, and returns lines about it for the
// summary.
func (run *searchRun) writeReplayLocked(g *sweep.Group, r *replay) []string {
	g.ReplayText = r.text()
	name, err := r.write(replayFolderOf(run.plan.replays, run.test))
	if err != nil {
		return []string{fmt.Sprintf("Its replay file cannot be written: %v. Save it as a file, and run it with %s=FILE:", err, replayVariable), indented(g.ReplayText)}
	}
	g.Replay = filepath.ToSlash(name)
	g.ReplayRerun = run.againReplay(&namedReplay{g.Replay, r})
	if strings.Count(g.ReplayText, "\n") > maxShownText {
		return []string{"Its replay file is " + g.Replay + "."}
	}
	return []string{"Its replay file is " + g.Replay + ":", indented(g.ReplayText)}
}

// checkAgain looks for differences between runs of a seed: in one process, or with
// Search.Fresh in a process each.
func (run *searchRun) checkAgain(ctx context.Context, job searchJob) (f finding, ok bool) {
	if !run.search.Fresh {
		return run.runOnce(ctx, job)
	}
	job.Check = false
	f.Seed, ok = job.Seed, true
	report, err := compareProcesses(checkRuns, func() (searchServer, error) { return run.launch(ctx.Done()) }, job, ctx.Done(), func(_ int, o searchOutcome) bool {
		ok = ok && !o.givenUp
		f.died = o.died
		return ok
	})
	f.Report = report
	return f, ok && err == nil
}

// noteNotRepeated records that a failure was not reproduced.
func (run *searchRun) noteNotRepeated(ctx context.Context, id string, again finding) {
	what := "It has not failed again with the same seed, so it is not deterministic, and no replay file is written."
	if again.Failed {
		what = fmt.Sprintf("It has failed differently with the same seed, so it is not deterministic, and no replay file is written. The other failure is: %s", again.failure.message)
	}
	checked, ok := run.checkAgain(ctx, searchJob{Seed: again.Seed, Check: true})
	switch {
	case !ok:
	case checked.Report != "":
		what += "\n" + strings.TrimRight(checked.Report, "\n")
	case checked.died == "":
		what += "\nIn " + strconv.Itoa(checkRuns) + " runs with that seed nothing differed on the network. The cause may be state that a process keeps from one seed to the next (see Search.Fresh), real time, or randomness in the test itself."
	}
	run.mu.Lock()
	defer run.mu.Unlock()
	run.groups[id].Note = what
}

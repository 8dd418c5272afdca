package simtest

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/sweep"
)

// A searchStanding is the progress of a search.
type searchStanding struct {
	test    string
	done    uint64
	count   uint64 // 0 if unknown
	failed  int
	took    time.Duration
	left    time.Duration // estimated time until the end; below 0 if unknown
	share   float64       // of the work that is done
	shrinks string        // the progress of shrinking, in words; empty before
	longest string        // the job that has run for long
}

// standing returns the progress of the search.
func (run *searchRun) standing() searchStanding {
	run.mu.Lock()
	defer run.mu.Unlock()
	s := searchStanding{test: run.test, done: run.done, count: run.count, failed: run.failed, took: time.Since(run.start), left: -1, longest: run.longestLocked()}
	if s.shrinks = run.shrinks; s.shrinks != "" {
		s.share = 1
		return s
	}
	if run.count > 0 && run.done > 0 {
		s.share = float64(run.done) / float64(run.count)
		s.left = time.Duration(float64(s.took) * (1 - s.share) / s.share)
	}
	if !run.plan.until.IsZero() {
		if left := max(0, time.Until(run.plan.until)); s.left < 0 || left < s.left {
			s.left = left
			s.share = 1 - float64(left)/float64(run.plan.lasts)
		}
	}
	return s
}

// perSecond returns the number of seeds done per second, with significant digits only.
func (s searchStanding) perSecond() string {
	rate := float64(s.done) / max(s.took.Seconds(), 1e-9)
	if rate < 10 {
		return fmt.Sprintf("%.1f", rate)
	}
	return fmt.Sprintf("%.0f", rate)
}

// String returns the standing on one line.
func (s searchStanding) String() string {
	text := fmt.Sprintf("%d seeds", s.done)
	if s.count > 0 {
		text = fmt.Sprintf("%d of %s", s.done, count(int(min(s.count, 1<<53)), "seed", "seeds"))
	}
	if s.shrinks != "" {
		return fmt.Sprintf("%s, %d failed; %s", text, s.failed, s.shrinks)
	}
	text += fmt.Sprintf(", %s a second, %d failed", s.perSecond(), s.failed)
	if s.left >= 0 {
		text += fmt.Sprintf(", %v left", s.left.Round(time.Second))
	}
	if s.longest != "" {
		text += "; " + s.longest
	}
	return text
}

// enoughSeeds is the least number of seeds for which a lack of new shapes is
// significant.
const enoughSeeds = 20

// summary returns the results of the search.
func (run *searchRun) summary(workers int) string {
	standing := run.standing()
	run.mu.Lock()
	defer run.mu.Unlock()
	var text strings.Builder
	shard := ""
	if run.plan.shard != (sweep.Shard{}) {
		shard = fmt.Sprintf(" of shard %v", run.plan.shard)
	}
	fmt.Fprintf(&text, "simtest: %s%s in %v with %s, %s a second, %v of simulated time",
		count(int(run.done), "seed", "seeds"), shard, sweep.Round(standing.took), count(workers, "worker", "workers"), standing.perSecond(), sweep.Round(run.simulated))
	switch {
	case run.count == 0 && run.plan.wanted.Last != sweep.Endless:
		text.WriteString("\nThe shard has none of the seeds.")
	case run.done > 0:
		fmt.Fprintf(&text, "\nSeeds: %s.", run.rangesLocked())
	}
	text.WriteString(run.replaysText())
	if run.ended != "" && run.err == nil {
		of := ""
		if run.count > 0 {
			of = fmt.Sprintf(" of %d", run.count)
		}
		fmt.Fprintf(&text, "\nThe search has ended after %d%s: %s.", run.done, of, run.ended)
	}
	for _, line := range run.givenUp {
		text.WriteString("\n" + line)
	}
	if len(run.digests) > 0 {
		fmt.Fprintf(&text, "\n%s of %s; seed %d had the newest shape.", count(len(run.digests), "distinct trace", "distinct traces"), count(len(run.shapes), "shape", "shapes"), run.newest)
		if since := run.done - run.newestAt; run.done >= enoughSeeds && since >= run.done/2 {
			fmt.Fprintf(&text, "\nThe last %d seeds have shown nothing new: more seeds are unlikely to find more. Other links, faults or programs may.", since)
		}
	}
	if !run.pools {
		if !run.search.Config.KeepPools && !run.search.Fresh {
			text.WriteString("\nA seed crashed because of something that another seed left in a pool, so pools were emptied from then on, which takes time.")
		}
	}
	if run.skipped > 0 {
		fmt.Fprintf(&text, "\n%s skipped.", count(run.skipped, "seed", "seeds"))
	}
	if run.failed > 0 {
		fmt.Fprintf(&text, "\n%s failed", count(run.failed, "seed", "seeds"))
	}
	switch {
	case run.failed > 0 && run.replaysFailed == 0:
		fmt.Fprintf(&text, ", in %s:", count(len(run.groups), "way", "different ways"))
	case run.failed > 0:
		fmt.Fprintf(&text, ".\nFailures, in %s:", count(len(run.groups), "way", "different ways"))
	case len(run.groups) > 0:
		fmt.Fprintf(&text, "\nFailures, in %s:", count(len(run.groups), "way", "different ways"))
	}
	for i, g := range run.groupsLocked() {
		where := ""
		if g.Place != "" {
			where = " (" + g.Place + ")"
		}
		fmt.Fprintf(&text, "\n\n%d. %s: %s%s\n", i+1, whatFailed(g), g.Message, where)
		if g.Output != "" {
			fmt.Fprintf(&text, "%s\n", indented(g.Output))
		}
		if g.Note != "" {
			text.WriteString(strings.TrimRight(g.Note, "\n") + "\n")
		}
		if g.ReplayRerun != "" {
			fmt.Fprintf(&text, "To run that again:\n%s\n", g.ReplayRerun)
		}
		fmt.Fprintf(&text, "To run %s again:\n%s", whatRan(&g), g.Rerun)
	}
	return text.String()
}

// whatFailed names the replays and seeds of a group.
func whatFailed(g sweep.Group) string {
	var words []string
	switch {
	case g.Replays == 1:
		words = append(words, "replay "+g.Replay)
	case g.Replays > 1:
		words = append(words, fmt.Sprintf("%d replays, the first of which is %s", g.Replays, g.Replay))
	}
	switch {
	case g.Count == 1:
		words = append(words, fmt.Sprintf("seed %d", g.First()))
	case g.Count > 1:
		words = append(words, fmt.Sprintf("%d seeds, %s", g.Count, sweep.ListSeeds(g.Seeds, g.Count)))
	}
	return strings.Join(words, "; ")
}

// rangesLocked lists the seeds that have run.
func (run *searchRun) rangesLocked() string {
	step := run.plan.shard.Step()
	words := make([]string, 0, sweep.MaxSeeds)
	for i, r := range run.ran {
		if i == sweep.MaxSeeds {
			words = append(words, "and others")
			break
		}
		word := r.String()
		if step > 1 && r.First != r.Last {
			word += fmt.Sprintf(" in steps of %d", step)
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// groupsLocked returns the groups, in the order of their first seeds.
func (run *searchRun) groupsLocked() []sweep.Group {
	var groups []sweep.Group
	for _, g := range slices.Collect(maps.Values(run.groups)) {
		groups = append(groups, *g)
	}
	sweep.SortGroups(groups)
	return groups
}

// report appends a report to the requested file.
func (run *searchRun) report(workers int) error {
	if run.plan.report == "" {
		return nil
	}
	run.mu.Lock()
	defer run.mu.Unlock()
	r := sweep.Report{
		Package: packagePath(), Test: run.test, Search: run.number,
		Go:    fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH),
		Shard: run.plan.shard, Wanted: run.plan.wanted, Ran: run.ran, Ended: run.ended,
		Replays: run.replayed, ReplaysFailed: run.replaysFailed,
		Skipped: run.skipped, Failed: run.failed, Groups: run.groupsLocked(),
		Clock: run.simulated, Took: time.Since(run.start), Workers: workers,
		Traces: run.traces, Shapes: run.looks,
	}
	file, err := os.OpenFile(run.plan.report, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return err
	}
	err = r.Append(file)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	return err
}

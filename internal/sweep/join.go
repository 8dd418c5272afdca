package sweep

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// A Summary is the joined result of several reports.
type Summary struct {
	Searches []Joined `json:"searches"`
	Problems []string `json:"problems,omitempty"` // reasons why the reports are incomplete or inconsistent
	Failed   int      `json:"failed"`             // seeds

	ReplaysFailed int `json:"replays_failed,omitempty"` // files
}

// Joined is the joined result of the reports of one search.
type Joined struct {
	Package       string        `json:"package"`
	Test          string        `json:"test"`
	Search        int           `json:"search"`
	Shards        int           `json:"shards"`             // shards that have reported
	Of            int           `json:"of"`                 // number of shards
	Seeds         uint64        `json:"seeds"`              // seeds that were run, each counted once
	Repeated      uint64        `json:"repeated,omitempty"` // further runs of seeds that are counted already
	Skipped       int           `json:"skipped,omitempty"`
	Failed        int           `json:"failed"`
	Replays       int           `json:"replays,omitempty"`        // files that were run
	ReplaysFailed int           `json:"replays_failed,omitempty"` // files
	Groups        []Group       `json:"groups,omitempty"`
	Clock         time.Duration `json:"simulated_ns"`
	Took          time.Duration `json:"took_ns"` // of the slowest shard
	Traces        Distinct      `json:"traces"`
	Shapes        Distinct      `json:"shapes"`
	Ended         []string      `json:"ended,omitempty"` // reasons why shards ended early

	reports []Report
}

// Name returns the name of the search.
func (j *Joined) Name() string {
	if j.Search == 1 {
		return j.Test
	}
	return fmt.Sprintf("%s, search %d", j.Test, j.Search)
}

// MarshalJSON writes the counts, and not the data for counting.
func (j Joined) MarshalJSON() ([]byte, error) {
	type plain Joined // without this method
	traces, exact := j.Traces.Count()
	shapes, exactShapes := j.Shapes.Count()
	return json.Marshal(struct {
		plain
		Traces int  `json:"traces"`
		Shapes int  `json:"shapes"`
		Exact  bool `json:"exact"` // traces and shapes are counted, not estimated
	}{plain(j), traces, shapes, exact && exactShapes})
}

// Join joins reports. The reports of one search have the same package, test and number.
func Join(reports []Report) (s Summary) {
	type key struct {
		path, test string
		search     int
	}
	byKey := make(map[key]*Joined)
	var order []*Joined
	for _, r := range reports {
		k := key{r.Package, r.Test, r.Search}
		j := byKey[k]
		if j == nil {
			j = &Joined{Package: r.Package, Test: r.Test, Search: r.Search}
			byKey[k] = j
			order = append(order, j)
		}
		j.reports = append(j.reports, r)
	}
	slices.SortFunc(order, func(a, b *Joined) int {
		return cmp.Or(cmp.Compare(a.Package, b.Package), cmp.Compare(a.Test, b.Test), cmp.Compare(a.Search, b.Search))
	})
	for _, j := range order {
		j.join()
		for _, problem := range j.problems() {
			s.Problems = append(s.Problems, fmt.Sprintf("%s %s: %s", j.Package, j.Name(), problem))
		}
		s.Failed += j.Failed
		s.ReplaysFailed += j.ReplaysFailed
		s.Searches = append(s.Searches, *j)
	}
	return s
}

// join adds up the reports.
func (j *Joined) join() {
	ran := make(map[Shard][]Range)
	groups := make(map[string]*Group)
	for _, r := range j.reports {
		ran[r.Shard] = append(ran[r.Shard], r.Ran...)
		j.Skipped += r.Skipped
		j.Failed += r.Failed
		j.Replays += r.Replays
		j.ReplaysFailed += r.ReplaysFailed
		j.Clock += r.Clock
		j.Took = max(j.Took, r.Took)
		j.Traces.Join(r.Traces)
		j.Shapes.Join(r.Shapes)
		if r.Ended != "" {
			of := ""
			if r.Shard != (Shard{}) {
				of = fmt.Sprintf("shard %v: ", r.Shard)
			}
			j.Ended = append(j.Ended, of+r.Ended)
		}
		for _, g := range r.Groups {
			if known := groups[g.ID]; known == nil {
				g.Seeds = slices.Clone(g.Seeds)
				groups[g.ID] = &g
			} else {
				known.join(g)
			}
		}
		j.Of = max(j.Of, 1, r.Shard.Total)
	}
	j.Shards = len(ran)
	for shard, ranges := range ran {
		all := countSeeds(ranges, shard.Step())
		once := countSeeds(union(ranges, shard.Step()), shard.Step())
		j.Seeds += once
		j.Repeated += all - once
	}
	for _, g := range groups {
		j.Groups = append(j.Groups, *g)
	}
	SortGroups(j.Groups)
}

// SortGroups sorts groups: those with replay files first, and then by their first
// seed.
func SortGroups(groups []Group) { slices.SortFunc(groups, Group.before) }

// before returns the order of two groups.
func (g Group) before(other Group) int {
	if byReplay := cmp.Compare(min(1, other.Replays), min(1, g.Replays)); byReplay != 0 {
		return byReplay
	}
	if g.Replays > 0 {
		return cmp.Or(cmp.Compare(g.Replay, other.Replay), cmp.Compare(g.ID, other.ID))
	}
	return cmp.Or(cmp.Compare(g.First(), other.First()), cmp.Compare(g.ID, other.ID))
}

// join adds a group that fails in the same way.
func (g *Group) join(other Group) {
	if other.before(*g) < 0 {
		g.Message, g.Place, g.Rerun, g.Output, g.Note = other.Message, other.Place, other.Rerun, other.Output, other.Note
		g.Replay, g.ReplayText, g.ReplayRerun = other.Replay, other.ReplayText, other.ReplayRerun
	}
	g.Replays += other.Replays
	g.Count += other.Count
	g.Seeds = append(g.Seeds, other.Seeds...)
	slices.Sort(g.Seeds)
	g.Seeds = slices.Compact(g.Seeds)
	g.Seeds = g.Seeds[:min(len(g.Seeds), MaxSeeds)]
}

// union returns ranges that contain each seed once.
func union(ranges []Range, step uint64) (all []Range) {
	ranges = slices.Clone(ranges)
	slices.SortFunc(ranges, func(a, b Range) int { return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last)) })
	for _, r := range ranges {
		if n := len(all) - 1; n >= 0 && r.First <= all[n].Last {
			all[n].Last = max(all[n].Last, r.Last)
			continue
		}
		all = append(all, r)
	}
	return all
}

// problems returns the reasons why the reports of a search are inconsistent or incomplete.
// Failures that the search found are not problems.
func (j *Joined) problems() (problems []string) {
	totals := make(map[int]bool)
	have := make(map[int]bool)
	for _, r := range j.reports {
		totals[max(1, r.Shard.Total)] = true
		have[max(1, r.Shard.Index)] = true
	}
	if len(totals) > 1 {
		return []string{"the reports have different numbers of shards"}
	}
	var missing []Range
	for i := 1; i <= j.Of; i++ {
		if !have[i] {
			missing = append(missing, Range{uint64(i), uint64(i)})
		}
	}
	if len(missing) > 0 {
		problems = append(problems, fmt.Sprintf("no report of %s of %d", listShards(missing), j.Of))
	}
	for _, r := range j.reports[1:] {
		if r.Wanted != j.reports[0].Wanted && j.Of > 1 {
			problems = append(problems, fmt.Sprintf("the shards have different seeds: %v and %v", j.reports[0].Wanted, r.Wanted))
			break
		}
	}
	return problems
}

// listShards names the first few of the given shards.
func listShards(shards []Range) string {
	text, noun := "", "shard"
	if len(shards) > 1 {
		noun = "shards"
	}
	for i, s := range shards {
		switch {
		case i == MaxSeeds:
			return fmt.Sprintf("%s %s and %d more", noun, text, len(shards)-i)
		case i > 0:
			text += ", "
		}
		text += s.String()
	}
	return noun + " " + text
}

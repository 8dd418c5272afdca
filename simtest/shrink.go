package simtest

import (
	"slices"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// A shrinker makes a failing replay smaller, as long as it fails in the same way.
// Smaller means, in turn: fewer faults, fewer hosts in them, shorter and weaker faults,
// later and rounder times, an earlier quiet period, and fewer random decisions.
//
// It tries candidates in a fixed order, and continues from the first one that fails,
// however many are run at once. So the result depends only on the outcomes of the
// candidates.
type shrinker struct {
	best   *replay
	runs   int  // so far, counting only those that were needed
	limit  int  // of runs
	ended  bool // no more runs or no more time are left
	passed map[string]bool

	// first runs candidates, and returns the index of the first that fails in the same
	// way, or -1 if none does. ok is false if time ran out.
	first func(candidates []*replay) (i int, ok bool)

	// decide runs a replay, and returns its random decisions. It is nil if decisions
	// are unknown.
	decide    func(r *replay) (d *decisions, ok bool)
	decided   *decisions // of the last replay passed to decide
	decidedOf string     // the name of that replay
}

// newShrinker returns a shrinker of a failing replay.
func newShrinker(r *replay, limit int, first func(candidates []*replay) (i int, ok bool)) *shrinker {
	return &shrinker{best: r, limit: limit, first: first, passed: make(map[string]bool)}
}

// A shrinkPass tries one way to make the best replay smaller, and reports whether it
// has succeeded.
type shrinkPass func(s *shrinker) bool

// shrinkPasses run in turn until none of them has an effect.
var shrinkPasses = []shrinkPass{
	(*shrinker).dropFaults,
	(*shrinker).simplifyFaults,
	(*shrinker).roundTimes,
	(*shrinker).hastenQuiet,
	(*shrinker).keepFewTies,
	(*shrinker).keepFewDraws,
}

// shrink makes the replay as small as possible.
func (s *shrinker) shrink() {
	for smaller := true; smaller && !s.ended; {
		smaller = false
		for _, pass := range shrinkPasses {
			smaller = pass(s) || smaller
		}
	}
}

// try continues from the first candidate that fails in the same way, and returns its
// index, or -1 if there is none.
func (s *shrinker) try(candidates []*replay) int {
	var unknown []*replay
	var number []int
	same := make(map[string]bool)
	for i, r := range candidates {
		if name := r.fileName(); !s.passed[name] && !same[name] {
			unknown, number = append(unknown, r), append(number, i)
			same[name] = true
		}
	}
	left := max(0, s.limit-s.runs)
	tooMany := len(unknown) > left
	unknown = unknown[:min(len(unknown), left)]
	if s.ended || len(unknown) == 0 {
		s.ended = s.ended || tooMany
		return -1
	}
	i, ok := s.first(unknown)
	if !ok {
		s.ended = true
		return -1
	}
	run := i + 1
	if i < 0 {
		run = len(unknown)
	}
	s.runs += run
	for _, r := range unknown[:run] {
		s.passed[r.fileName()] = true // the last one, which is the best, has not passed, but need not run again
	}
	if i < 0 {
		s.ended = tooMany
		return -1
	}
	s.best = unknown[i]
	return number[i]
}

// with returns the best replay with another schedule.
func (s *shrinker) with(schedule chaosSchedule) *replay {
	r := *s.best
	r.schedule = schedule.sorted()
	return &r
}

// dropFaults removes faults, many at first: all, halves, quarters and so on, as in
// delta debugging.
func (s *shrinker) dropFaults() (smaller bool) {
	for size := len(s.best.schedule); size > 0; size /= 2 {
		for from := 0; ; {
			faults := s.best.schedule
			var candidates []*replay
			for i := from; i < len(faults); i += size {
				rest := slices.Concat(faults[:i], faults[min(i+size, len(faults)):])
				candidates = append(candidates, s.with(rest))
			}
			i := s.try(candidates)
			if i < 0 {
				break
			}
			smaller = true
			from += i * size // those before are needed, or have been removed
		}
	}
	return smaller
}

// simplifyFaults makes each fault simpler.
func (s *shrinker) simplifyFaults() (smaller bool) {
	for i := 0; i < len(s.best.schedule); {
		faults := s.best.schedule
		var candidates []*replay
		for _, f := range faults[i].simpler() {
			simpler := slices.Clone(faults)
			simpler[i] = f
			candidates = append(candidates, s.with(simpler))
		}
		if s.try(candidates) < 0 {
			i++
			continue
		}
		smaller = true
	}
	return smaller
}

// roundTimes moves the faults that begin at one time to a rounder time, or all faults
// by as much.
func (s *shrinker) roundTimes() (smaller bool) {
	for {
		faults := s.best.schedule
		var candidates []*replay
		for i := range faults {
			if i > 0 && faults[i].at == faults[i-1].at {
				continue
			}
			for _, at := range rounder(faults[i].at) {
				together, all := slices.Clone(faults), slices.Clone(faults)
				for j := range faults {
					all[j].at = max(0, timeline.Add(faults[j].at, at-faults[i].at))
					if faults[j].at == faults[i].at {
						together[j].at = at
					}
				}
				for _, moved := range []chaosSchedule{together, all} {
					if roundness(moved) > roundness(faults) {
						candidates = append(candidates, s.with(moved))
					}
				}
			}
		}
		if s.try(candidates) < 0 {
			return smaller
		}
		smaller = true
	}
}

// hastenQuiet makes the quiet period begin earlier, so that runs are shorter.
func (s *shrinker) hastenQuiet() (smaller bool) {
	for {
		end := s.best.schedule.quiet(time.Second)
		var candidates []*replay
		for _, quiet := range []time.Duration{roundUp(end, time.Second), roundUp(end+(s.best.quiet-end)/2, time.Second)} {
			if quiet < s.best.quiet {
				r := *s.best
				r.quiet = quiet
				candidates = append(candidates, &r)
			}
		}
		if s.try(candidates) < 0 {
			return smaller
		}
		smaller = true
	}
}

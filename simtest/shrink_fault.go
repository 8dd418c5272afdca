package simtest

import (
	"cmp"
	"slices"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// simpler returns simpler variants of a fault, the simplest first: each has fewer
// hosts, or only one direction, or is shorter, or weaker, or begins at a rounder time,
// and is otherwise the same. So simplification terminates.
func (f *scheduledFault) simpler() (simpler []scheduledFault) {
	add := func(change func(g *scheduledFault)) {
		g := *f
		change(&g)
		if g.invalid() == nil {
			simpler = append(simpler, g)
		}
	}
	for i, side := range f.sides {
		for j := range side {
			add(func(g *scheduledFault) { g.sides = withoutHost(f.sides, i, j) })
		}
	}
	if len(f.sides) == 2 && !f.oneWay {
		add(func(g *scheduledFault) { g.oneWay = true })
		add(func(g *scheduledFault) { g.oneWay, g.sides = true, [][]string{f.sides[1], f.sides[0]} })
	}
	for _, lasts := range below(roundDurations, f.lasts) {
		add(func(g *scheduledFault) { g.lasts = lasts })
		add(func(g *scheduledFault) { g.lasts, g.at = lasts, f.end()-lasts })
		add(func(g *scheduledFault) { g.lasts, g.at = lasts, f.at+((f.lasts-lasts)/2).Truncate(time.Millisecond) })
	}
	for _, grain := range grains {
		if shorter := f.lasts.Truncate(grain); shorter < f.lasts {
			add(func(g *scheduledFault) { g.lasts = shorter }) // unless it is 0, which is invalid
		}
	}
	for _, amount := range below(roundDurations, max(f.amount, -f.amount)) {
		if f.amount < 0 {
			amount = -amount
		}
		add(func(g *scheduledFault) { g.amount = amount })
	}
	for _, percent := range below(roundPercents, f.percent) {
		add(func(g *scheduledFault) { g.percent = percent })
	}
	for _, at := range rounder(f.at) {
		add(func(g *scheduledFault) { g.at = at })
	}
	return simpler
}

// withoutHost returns sides without a host, and without its side if that is empty.
func withoutHost(sides [][]string, i, j int) [][]string {
	sides = slices.Clone(sides)
	sides[i] = slices.Delete(slices.Clone(sides[i]), j, j+1)
	if len(sides[i]) == 0 {
		sides = slices.Delete(sides, i, i+1)
	}
	return sides
}

// roundDurations are the durations and amounts to which faults are reduced.
var roundDurations = []time.Duration{
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond,
	10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour,
}

// roundPercents are the percentages of packet loss to which faults are reduced.
var roundPercents = []float64{1, 2, 5, 10, 20, 30, 50, 70}

// below returns some of the sorted numbers that are below n: the first, the last, and
// three between them.
func below[N cmp.Ordered](numbers []N, n N) []N {
	count, _ := slices.BinarySearch(numbers, n)
	if count <= 4 {
		return numbers[:count]
	}
	last := count - 1
	return []N{numbers[0], numbers[last/4], numbers[last/2], numbers[last*3/4], numbers[last]}
}

// grains are units of round times, the roundest first.
var grains = []time.Duration{10 * time.Second, time.Second, 100 * time.Millisecond, 10 * time.Millisecond, time.Millisecond}

// rounder returns times that are rounder than the given one: for each grain a later and
// an earlier one.
func rounder(at time.Duration) (times []time.Duration) {
	for _, grain := range grains {
		if at%grain == 0 {
			return times
		}
		times = append(times, roundUp(at, grain), at.Truncate(grain))
	}
	return times
}

// roundness rates the times of all faults. It is larger for rounder times.
func roundness(s chaosSchedule) (round int) {
	for i := range s {
		round += len(grains) - len(rounder(s[i].at))/2
	}
	return round
}

// roundUp returns the first multiple of a grain that is no earlier than a time.
func roundUp(at, grain time.Duration) time.Duration {
	if rest := at % grain; rest > 0 {
		return timeline.Add(at, grain-rest)
	}
	return at
}

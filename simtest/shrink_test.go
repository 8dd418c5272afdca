package simtest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
)

// scheduleOf returns a schedule.
func scheduleOf(t testing.TB, lines string) chaosSchedule {
	t.Helper()
	schedule, err := parseSchedule(lines)
	require.NoError(t, err)
	return schedule
}

// manyFaults returns drawn faults of four hosts, and further ones.
func manyFaults(t testing.TB, more string) *replay {
	chaos := DefaultChaos()
	r := &replay{seed: 7, quiet: time.Minute}
	for n := range 20 {
		if at, ok := chaos.timeOf(7, n); ok {
			if f, ok := chaos.draw(7, n, at, []string{"a", "b", "c", "d"}); ok {
				r.schedule = append(r.schedule, f)
			}
		}
	}
	r.schedule = append(r.schedule, scheduleOf(t, more)...).sorted()
	return r
}

// shrinkWith shrinks a replay for which fails reports true.
func shrinkWith(r *replay, limit int, fails func(r *replay) bool) *shrinker {
	s := newShrinker(r, limit, func(candidates []*replay) (int, bool) { return slices.IndexFunc(candidates, fails), true })
	s.shrink()
	return s
}

// isCutOff reports whether the path from one host to another is cut at a time.
func isCutOff(r *replay, from, to string, at time.Duration) bool {
	for _, f := range r.schedule {
		if f.kind != partitionFault || at < f.at || at >= f.end() {
			continue
		}
		found := false
		f.eachWay(func(a, b string) { found = found || a == from && b == to })
		if found {
			return true
		}
	}
	return false
}

// Of many faults only the necessary ones are left, with the necessary hosts, about as
// long and as strong as necessary.
func TestShrink(t *testing.T) {
	r := manyFaults(t, "fault 21.234s partition a,b | c,d for 9.7s\nfault 23.5s lossy b | c by 43% for 20s")
	require.Greater(t, len(r.schedule), 15)
	fails := func(r *replay) bool {
		lossy := slices.ContainsFunc(r.schedule, func(f scheduledFault) bool {
			return f.kind == lossyFault && f.percent >= 5 && f.at <= 24*time.Second && f.end() > 26*time.Second
		})
		return lossy && isCutOff(r, "a", "c", 22*time.Second) && isCutOff(r, "a", "c", 22500*time.Millisecond)
	}
	require.True(t, fails(r))
	s := shrinkWith(r, maxShrinkRuns, fails)
	assert.Equal(t, "fault 22s partition a > c for 1s\nfault 24s lossy b > c by 5% for 5s\n", s.best.schedule.String())
	assert.Equal(t, 29*time.Second, s.best.quiet)
	assert.Equal(t, uint64(7), s.best.seed)
	assert.False(t, s.ended)
	assert.Less(t, s.runs, 300)
	t.Log(s.runs, "runs")
}

// A failure that needs no faults keeps none, after the first run.
func TestShrinkToNothing(t *testing.T) {
	s := shrinkWith(manyFaults(t, ""), maxShrinkRuns, func(*replay) bool { return true })
	assert.Empty(t, s.best.schedule)
	assert.Equal(t, time.Second, s.best.quiet)
	assert.Equal(t, 2, s.runs)
	s = shrinkWith(&replay{seed: 3}, maxShrinkRuns, func(*replay) bool { return true })
	assert.Zero(t, s.runs, "without chaos there is nothing to shrink")
}

// A failure that needs all faults keeps them.
func TestShrinkNothing(t *testing.T) {
	r := manyFaults(t, "")
	s := shrinkWith(r, maxShrinkRuns, func(candidate *replay) bool {
		return candidate.schedule.String() == r.schedule.String() && candidate.quiet == r.quiet
	})
	assert.Equal(t, r, s.best)
	assert.False(t, s.ended)
}

// The few necessary faults are found among many, wherever they are.
func TestShrinkFindsTheNecessaryFaults(t *testing.T) {
	r := manyFaults(t, "")
	for i := range r.schedule {
		for j := i % 3; j < i; j += 3 {
			one, two := r.schedule[i], r.schedule[j]
			has := func(candidate *replay, f scheduledFault) bool {
				return slices.ContainsFunc(candidate.schedule, func(g scheduledFault) bool { return g.String() == f.String() })
			}
			s := shrinkWith(r, maxShrinkRuns, func(candidate *replay) bool { return has(candidate, one) && has(candidate, two) })
			assert.Equal(t, chaosSchedule{one, two}.sorted(), s.best.schedule)
		}
	}
}

// Shrinking ends at the limit of runs, or when time is up, with the best replay so far.
func TestShrinkEnds(t *testing.T) {
	r := manyFaults(t, "")
	half := len(r.schedule) / 2
	fails := func(r *replay) bool { return len(r.schedule) >= half }
	all := shrinkWith(r, maxShrinkRuns, fails)
	for limit := 0; limit < all.runs; limit += 7 {
		s := shrinkWith(r, limit, fails)
		assert.True(t, s.ended)
		assert.Equal(t, limit, s.runs)
	}
	asked := 0
	s := newShrinker(r, maxShrinkRuns, func(candidates []*replay) (int, bool) {
		asked++
		return slices.IndexFunc(candidates, fails), asked < 3
	})
	s.shrink()
	assert.True(t, s.ended)
	assert.Equal(t, 3, asked)
	assert.Less(t, len(s.best.schedule), len(r.schedule))
}

// All candidates are valid, and none is run twice.
func TestShrinkTriesOnlyValidFaults(t *testing.T) {
	r := manyFaults(t, "fault 1.234567s skew a by -12.3s for 4s\nfault 2s reset a | b,c\nfault 3s name a,b for 1h30m\nfault 4s partition a | b | c,d for 3ms\nfault 5s restart a,b,c")
	for n := range 10 {
		seen := make(map[string]bool)
		s := shrinkWith(r, 10*maxShrinkRuns, func(r *replay) bool {
			text := r.text()
			require.False(t, seen[text], text)
			seen[text] = true
			_, err := parseReplay("x", []byte(newText(r)))
			require.NoError(t, err)
			return mix64.String(uint64(n), text)%5 == 0
		})
		assert.False(t, s.ended)
	}
}

// newText returns a replay's text as in a file.
func newText(r *replay) string {
	whole := *r
	whole.goVersion = "go1.26"
	return whole.text()
}

// Each simpler fault is smaller in one respect and no larger in any respect before it,
// so simplification terminates.
func TestSimplerFaults(t *testing.T) {
	for line, want := range map[string][]string{
		"fault 12.5s partition a,b | c for 3ms": {
			"fault 12.5s partition b | c for 3ms", "fault 12.5s partition a | c for 3ms",
			"fault 12.5s partition a,b > c for 3ms", "fault 12.5s partition c > a,b for 3ms",
			"fault 12.5s partition a,b | c for 1ms", "fault 12.502s partition a,b | c for 1ms", "fault 12.501s partition a,b | c for 1ms",
			"fault 12.5s partition a,b | c for 2ms", "fault 12.501s partition a,b | c for 2ms", "fault 12.5s partition a,b | c for 2ms",
			"fault 20s partition a,b | c for 3ms", "fault 10s partition a,b | c for 3ms",
			"fault 13s partition a,b | c for 3ms", "fault 12s partition a,b | c for 3ms",
		},
		"fault 10s restart a": nil,
		"fault 10s kill a for 1.2ms": {
			"fault 10s kill a for 1ms", "fault 10.0002s kill a for 1ms", "fault 10s kill a for 1ms",
			"fault 10s kill a for 1ms",
		},
		"fault 10s skew a by -3ms for 1ms": {
			"fault 10s skew a by -1ms for 1ms", "fault 10s skew a by -2ms for 1ms",
		},
		"fault 10s lossy a > b by 2.5% for 1ms": {
			"fault 10s lossy a > b by 1% for 1ms", "fault 10s lossy a > b by 2% for 1ms",
		},
		"fault 10s partition a | b | c for 1ms": {
			"fault 10s partition b | c for 1ms", "fault 10s partition a | c for 1ms", "fault 10s partition a | b for 1ms",
		},
	} {
		var got []string
		f := scheduleOf(t, line)[0]
		for _, simpler := range f.simpler() {
			got = append(got, fmt.Sprint(simpler))
		}
		assert.Equal(t, want, got, line)
		assert.Equal(t, line, f.String(), "it is left as it was")
	}
	long := scheduleOf(t, "fault 10s kill a for 15.939s")[0].simpler()
	assert.Equal(t, "fault 10s kill a for 10s", long[len(long)-4].String())
	assert.Equal(t, "fault 10s kill a for 15.93s", long[len(long)-1].String())
	assert.Equal(t, []time.Duration{time.Millisecond, 10 * time.Millisecond, 200 * time.Millisecond, 2 * time.Second, 30 * time.Second}, below(roundDurations, time.Minute))
}

package simtest

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// shrinkByRuns shrinks a replay with real runs. run runs a replay, and reports whether it
// fails.
func shrinkByRuns(t *testing.T, seed uint64, run func(o overrides, d *decisions) (fails bool)) *shrinker {
	whole := &replay{seed: seed}
	var d decisions
	require.True(t, run(whole.overrides, &d), "it fails at first")
	s := newShrinker(whole, maxShrinkRuns, func(candidates []*replay) (int, bool) {
		for i, r := range candidates {
			if run(r.overrides, nil) {
				return i, true
			}
		}
		return -1, true
	})
	s.decide = func(r *replay) (*decisions, bool) {
		var d decisions
		require.True(t, run(r.overrides, &d))
		return d.forSearch().decisions() // as from a worker
	}
	s.shrink()
	assert.False(t, s.ended)
	return s
}

// If a failure depends on the order of events at one instant, only that order is kept.
func TestShrinkTies(t *testing.T) {
	const sent, arrived = 3 * time.Second, 3010 * time.Millisecond
	whole := arrivalOrders(t, Config{Seed: 1}, nil)
	run := func(o overrides, d *decisions) bool {
		config := Config{decided: d}
		(&replay{seed: 1, overrides: o}).apply(&config)
		config.Seed = 1
		return arrivalOrders(t, config, nil)[sent] == whole[sent]
	}
	s := shrinkByRuns(t, 1, run)
	var drawn ties
	drawn.init(&Config{Seed: 1})
	assert.Equal(t, overrides{natural: true, ties: []tieOverride{
		{at: sent, round: drawn.seedsRound(sent)}, {at: arrived, round: drawn.seedsRound(arrived)},
	}}, s.best.overrides)
	assert.Less(t, s.runs, 40)

	s = shrinkByRuns(t, 1, func(o overrides, d *decisions) bool {
		run(o, d)
		return true
	})
	assert.True(t, s.best.natural && len(s.best.ties) == 0, "whatever the order: %v", s.best.overrides)
}

// If a failure depends on one loss, only that loss is kept; if it depends on many, the
// seed's draws are kept.
func TestShrinkDraws(t *testing.T) {
	link := netem.Link{
		Loss:      netem.Loss{GilbertElliott: netem.GilbertElliott{P: 0.1, R: 0.3, LossBad: 1}},
		Duplicate: netem.Chance{Probability: 0.1},
		Reorder:   netem.Chance{Probability: 0.1},
		Latency:   100 * time.Microsecond,
	}
	losses := func(fates map[int]string) (sizes []int) {
		for size, fate := range fates {
			if fate == "dropped: loss" {
				sizes = append(sizes, size)
			}
		}
		return sizes
	}
	run := func(fails func(fates map[int]string) bool) func(o overrides, d *decisions) bool {
		return func(o overrides, d *decisions) bool {
			fates, drawn := unluckyRun(t, o, link, netem.Profile{})
			if d != nil {
				d.draws = drawn
			}
			return fails(fates)
		}
	}
	whole, _ := unluckyRun(t, overrides{}, link, netem.Profile{})
	lost := slices.Max(losses(whole))
	s := shrinkByRuns(t, 3, run(func(fates map[int]string) bool { return fates[lost] == "dropped: loss" }))
	require.Len(t, s.best.draws, 1)
	assert.True(t, s.best.noImpairments)
	assert.Equal(t, netem.DrawnLoss, s.best.draws[0].draw.Kind)
	assert.EqualValues(t, lost, s.best.draws[0].draw.ID.Number)
	assert.Less(t, s.runs, 200)

	s = shrinkByRuns(t, 3, run(func(fates map[int]string) bool { return len(losses(fates)) > maxChance }))
	assert.True(t, s.best.isNone(), "%v", s.best.overrides)
}

package netem

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// statisticsSeed is the seed of all statistical tests. It is fixed, so their
// results are always the same. They pass with nearly every other seed, too: a
// mean deviates by more than 5 standard errors once in a million times.
const statisticsSeed = 1

// assertMean asserts that the mean of the samples is within 5 standard errors
// of want. The standard error is estimated from the means of 100 consecutive
// batches, so it is valid for correlated samples, too. It must not exceed
// maxError, or the test would be meaningless.
func assertMean(t *testing.T, want float64, samples []float64, maxError float64, what string, args ...any) {
	t.Helper()
	const batches = 100
	what = fmt.Sprintf(what, args...)
	size := len(samples) / batches
	require.Positive(t, size, "%s: too few samples: %d", what, len(samples))
	var sum, squares float64
	for batch := range batches {
		var of float64
		for _, sample := range samples[batch*size : (batch+1)*size] {
			of += sample / float64(size)
		}
		sum += of
		squares += of * of
	}
	mean := sum / batches
	standardError := math.Sqrt(max(0, squares/batches-mean*mean) / (batches - 1))
	assert.LessOrEqual(t, standardError, maxError, "%s: the standard error", what)
	assert.InDelta(t, want, mean, 5*standardError+1e-9, "%s, %d samples, standard error %g", what, len(samples), standardError)
}

// assertRuns asserts the fraction of events that are true, and the mean length
// of their runs.
func assertRuns(t *testing.T, share, run float64, events []bool, what string, args ...any) {
	t.Helper()
	what = fmt.Sprintf(what, args...)
	var shares, runs []float64
	length := 0
	for _, is := range events {
		switch {
		case is:
			shares = append(shares, 1)
			length++
		default:
			shares = append(shares, 0)
			if length > 0 {
				runs = append(runs, float64(length))
			}
			length = 0
		}
	}
	assertMean(t, share, shares, 0.03*share, "%s: the share", what)
	assertMean(t, run, runs, 0.03*run, "%s: the length of a run", what)
}

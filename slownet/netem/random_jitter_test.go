package netem

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// moments are the moments of a distribution, in units of the deviation.
type moments struct{ mean, deviation float64 }

// integrate computes the moments of a distribution from its quantiles.
func integrate(quantile func(p float64) float64) (m moments) {
	const steps = 1_000_000
	var sum, squares float64
	for i := range steps {
		x := quantile((float64(i) + 0.5) / steps)
		sum += x / steps
		squares += x * x / steps
	}
	return moments{sum, math.Sqrt(squares - sum*sum)}
}

const cut = math.MaxInt16 / 8192.0 // the largest value in a table

// netemPareto is netem's Pareto distribution: it has shape 3, and is shifted,
// scaled and truncated.
func netemPareto(p float64) float64 { return min((1/math.Cbrt(1-p)-1.5)*4/3, cut) }

// The Pareto distribution of shape 3 has the density 3/x^4 from 1 on, the mean
// 3/2 and the mean square 3. Truncated at c, it has the mean 3/2 - 1/(2 c^2) and
// the mean square 3 - 2/c, since values beyond c count as c.
func paretoMoments() moments {
	c := cut*3/4 + 1.5
	mean, square := 1.5-1/(2*c*c), 3-2/c
	return moments{(mean - 1.5) * 4 / 3, math.Sqrt(square-mean*mean) * 4 / 3}
}

func paretoNormalMoments() moments {
	return integrate(func(p float64) float64 {
		normal := math.Sqrt2 * math.Erfinv(2*p-1)
		return max(-4, min(0.25*normal+0.75*netemPareto(p), cut))
	})
}

// The formulas give the numbers in the comments of Pareto and ParetoNormal.
func TestDistributionMoments(t *testing.T) {
	for _, distribution := range []struct {
		moments
		mean, deviation float64
	}{
		{paretoMoments(), -0.03, 0.82},
		{integrate(netemPareto), -0.03, 0.82},
		{paretoNormalMoments(), -0.02, 0.83},
	} {
		assert.InDelta(t, distribution.mean, distribution.moments.mean, 0.005)
		assert.InDelta(t, distribution.deviation, distribution.moments.deviation, 0.005)
	}
}

// A table has the mean and the deviation of its distribution, which it truncates
// slightly more, since it has no value for probabilities beyond 1 - 1/8192.
func TestTables(t *testing.T) {
	for _, scenario := range []struct {
		*Distribution
		name string
		want moments
	}{
		{Normal, "normal", moments{0, 1}},
		{Pareto, "pareto", paretoMoments()},
		{ParetoNormal, "paretonormal", paretoNormalMoments()},
	} {
		assert.Equal(t, scenario.name, scenario.String())
		table := scenario.table()
		require.Len(t, table, 4096, "as netem's")
		got := integrate(func(p float64) float64 { return float64(table[int(p*4096)]) / 8192 })
		assert.InDelta(t, scenario.want.mean, got.mean, 5e-4, scenario.name)
		assert.InDelta(t, scenario.want.deviation, got.deviation, 5e-4, scenario.name)
		for i := 1; i < len(table); i++ {
			require.GreaterOrEqual(t, table[i], table[i-1], "%s: %d", scenario.name, i)
		}
	}
}

// Printing a link without a distribution names it, and does not panic.
func TestPrintingALinkWithoutADistribution(t *testing.T) {
	var none *Distribution
	assert.Equal(t, "uniform", none.String())
	assert.NotContains(t, fmt.Sprint(Link{}), "nil> 0}", "of the jitter")
	assert.Contains(t, fmt.Sprint(Link{Jitter: Jitter{Deviation: time.Second}}), "{1s uniform 0}")
}

// The tables are the same on every platform. Floating point arithmetic differs
// in the last digits, by less than 1e-9 of a table's unit, and no value is that
// close to being rounded differently.
func TestTablesAreTheSameEverywhere(t *testing.T) {
	for name, quantile := range map[string]func(p float64) float64{
		"normal": normalQuantile,
		"pareto": paretoQuantile,
		"paretonormal": func(p float64) float64 {
			return 0.25*normalQuantile(p) + 0.75*paretoQuantile(p)
		},
	} {
		for i := range tableSize {
			value := tableScale * quantile((float64(i)+0.5)/tableSize)
			require.Greater(t, math.Abs(value-math.Floor(value)-0.5), 1e-6, "%s: %d: %v", name, i, value)
		}
	}
}

// delays sends datagrams over a link with jitter, and returns their variations
// in units of the deviation.
func delays(t *testing.T, jitter Jitter, n int) []float64 {
	const latency = time.Hour
	f := NewPacketFlow(Link{Latency: latency, Jitter: jitter}, statisticsSeed)
	delays := make([]float64, n)
	for i := range delays {
		arrived, _ := f.Send(0, 100)
		delays[i] = float64(arrived[0].Arrive-latency) / float64(jitter.Deviation)
	}
	return delays
}

// The latency follows each distribution, and a correlation c does not change
// that; variations k packets apart have the correlation c^k.
func TestJitter(t *testing.T) {
	table := []int16{-8192, -4096, -4096, 0, 16384}
	for name, scenario := range map[string]struct {
		distribution *Distribution
		moments
		most float64
	}{
		"uniform":      {nil, moments{0, 1 / math.Sqrt(3)}, 1},
		"normal":       {Normal, moments{0, 1}, 4},
		"pareto":       {Pareto, paretoMoments(), 4},
		"paretonormal": {ParetoNormal, paretoNormalMoments(), 4},
		// The mean is 0, the mean square (1 + 1/4 + 1/4 + 0 + 4)/5 = 1.1.
		"table": {NewDistribution(table), moments{0, math.Sqrt(1.1)}, 2},
	} {
		for _, correlation := range []float64{0, 0.25, 0.7} {
			t.Run(name, func(t *testing.T) {
				const n = 200_000
				delays := delays(t, Jitter{Deviation: 10 * ms, Distribution: scenario.distribution, Correlation: correlation}, n)
				variance := scenario.deviation * scenario.deviation
				squares := make([]float64, n)
				for i, delay := range delays {
					if math.Abs(delay) > scenario.most {
						t.Fatalf("%v deviations are more than %v", delay, scenario.most)
					}
					squares[i] = (delay - scenario.mean) * (delay - scenario.mean)
				}
				assertMean(t, scenario.mean, delays, 0.01, "the mean")
				assertMean(t, variance, squares, 0.03, "the variance")
				for _, lag := range []int{1, 2, 3} {
					products := make([]float64, n-lag)
					for i := range products {
						products[i] = (delays[i] - scenario.mean) * (delays[i+lag] - scenario.mean) / variance
					}
					assertMean(t, math.Pow(correlation, float64(lag)), products, 0.03, "the correlation of packets that are %d apart", lag)
				}
			})
		}
	}
}

// With a correlation of 1, all packets are late by the same amount.
func TestJitterFullyCorrelated(t *testing.T) {
	delays := delays(t, Jitter{Deviation: ms, Correlation: 1}, 1000)
	for _, delay := range delays {
		require.Equal(t, delays[0], delay)
	}
}

// Exactly the values of a table occur; a deviation that is not a multiple of
// the table's unit is not rounded: 10,000 ns x 1/8192 is 1.2 ns, and 10,000 ns
// x 32767/8192 is 39,998.8 ns.
func TestNewDistribution(t *testing.T) {
	values := []int16{8192, -4096, 1, math.MaxInt16, math.MinInt16}
	distribution := NewDistribution(values)
	values[0] = 0
	assert.Equal(t, "table", distribution.String())
	jitter := Jitter{Deviation: 10_000, Distribution: distribution}
	seen := map[time.Duration]bool{}
	for i := range uint64(1000) {
		seen[jitter.vary(uint64(drawsOf(0, PacketID{Number: i}).roll(DrawnJitter)))] = true
	}
	assert.Equal(t, map[time.Duration]bool{10_000: true, -5_000: true, 1: true, 39_998: true, -40_000: true}, seen)
	assert.PanicsWithValue(t, "netem: NewDistribution: the table is empty: it must have one value or more", func() { NewDistribution(nil) })
}

// The largest possible deviation does not overflow, and the extreme random
// numbers give the extremes of a distribution.
func TestJitterEnds(t *testing.T) {
	const last = math.MaxUint64
	for _, deviation := range []time.Duration{1, 3, ms, maxDeviation} {
		uniform := Jitter{Deviation: deviation}
		assert.Equal(t, -deviation, uniform.vary(0))
		assert.Equal(t, deviation, uniform.vary(last))
		assert.InDelta(t, 0, float64(uniform.vary(last/2)), 1)
		table := Jitter{Deviation: deviation, Distribution: NewDistribution([]int16{math.MinInt16, math.MaxInt16})}
		assert.Equal(t, -4*deviation, table.vary(0))
		assert.InEpsilon(t, cut*float64(deviation)+1, float64(table.vary(last))+1, 1)
		assert.Less(t, table.vary(last), 4*deviation)
		assert.Greater(t, table.vary(last), time.Duration(0))
	}
}

// A latency is never negative, however large the jitter is: with half of the
// variations below -latency, half of the packets have no latency.
func TestLatencyIsNeverNegative(t *testing.T) {
	f := NewPacketFlow(Link{Jitter: Jitter{Deviation: time.Second, Distribution: Normal}}, statisticsSeed)
	var at []float64
	for range packets {
		arrived, _ := f.Send(time.Hour, 1)
		if arrived[0].Arrive < time.Hour {
			require.GreaterOrEqual(t, arrived[0].Arrive, time.Hour)
		}
		isNone := 0.0
		if arrived[0].Arrive == time.Hour {
			isNone = 1
		}
		at = append(at, isNone)
	}
	assertMean(t, 0.5, at, 0.01, "no latency")
}

// On a stream, a piece never overtakes the previous piece: at the earliest, both arrive
// together.
func TestJitterOnAStream(t *testing.T) {
	link := Link{Latency: 100 * ms, Jitter: Jitter{Deviation: 50 * ms}}
	stream, datagrams := NewFlow(link, 7), NewPacketFlow(link, 7)
	var arrived time.Duration
	overtaken := 0
	for i := range time.Duration(1000) {
		packets, _ := datagrams.Send(i*ms, 1)
		if packets[0].Arrive < arrived {
			overtaken++
		}
		arrived = max(arrived, packets[0].Arrive)
		require.Equal(t, once(1, i*ms, arrived), stream.Send(i*ms, 1), "the same seed gives both the same jitter")
	}
	assert.Greater(t, overtaken, 100)
}

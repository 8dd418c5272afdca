package simtest_test

import (
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/kerneltimes"
	"github.com/slowpoetry/slowpoetry/internal/kerneltimes/replay"
	"github.com/slowpoetry/slowpoetry/internal/tier"
)

// kernelExceptions are figures that the kernel shows in about one run of seven,
// although nothing on the path is random: the kernel's timers and scheduling are.
var kernelExceptions = map[string]bool{
	"10M-20ms-q1 100000 reno p90":     true,
	"1G-100ms-q0.1 1000000 cubic p90": true,
}

// A transfer takes as long as over a real kernel's TCP, within 10 or 20 %, see
// Transfer.Tolerance. If the path is random, both are samples, so the kernel's figure may
// also be within the range of 98 % of our runs.
func TestTransfersTakeTheKernelsTime(t *testing.T) {
	table, err := os.Open("../slownet/netem/testdata/kernel-transfers.csv")
	require.NoError(t, err)
	defer table.Close()
	rows, err := kerneltimes.Read(table)
	require.NoError(t, err)
	long := tier.Long() && !raceEnabled // with fewer seeds, large random transfers vary too much
	for i := range rows {
		row := &rows[i]
		if row.Down.Queue.Bytes < 10*1500 || !long && (i%3 != 0 || row.Body > 1_000_000) {
			continue
		}
		t.Run(row.String(), func(t *testing.T) {
			seeds := 1
			if row.IsRandom() {
				if seeds = max(20, min(2_000_000/row.Body, 40)); long {
					seeds = 100
				}
			}
			var totals, dials []float64
			for seed := range uint64(seeds) {
				connected, total := replay.Transfer(t, row, seed)
				dials, totals = append(dials, connected.Seconds()), append(totals, total.Seconds())
			}
			slices.Sort(totals)
			slices.Sort(dials)
			checkQuantile(t, row, "dial", dials, 0.5, row.Connect, false)
			checkQuantile(t, row, "p50", totals, 0.5, row.P50, kernelExceptions[row.String()+" p50"])
			checkQuantile(t, row, "p90", totals, 0.9, row.P90, kernelExceptions[row.String()+" p90"])
		})
	}
}

// scenarioExceptions are figures that differ by more. The kernel sends each of ten small
// writes in a segment of its own, while our writes of one instant share a segment. When a
// queue has overflowed, it depends on one segment whether the window is reduced a second time.
var scenarioExceptions = map[string]bool{
	"writes of 1000 bytes into a black hole: taken":        true,
	"ping beside a download, fifo: median from 40 to 60 s": true,
}

// The times of scenarios other than transfers are within 10 % of the kernel's, too.
func TestScenariosTakeTheKernelsTime(t *testing.T) {
	table, err := os.Open("../slownet/netem/testdata/kernel-scenarios.csv")
	require.NoError(t, err)
	defer table.Close()
	kernel, err := kerneltimes.ReadScenarios(table)
	require.NoError(t, err)
	compared := 0
	for _, s := range kerneltimes.Scenarios() {
		t.Run(s.Name, func(t *testing.T) {
			runs := make([][]kerneltimes.Figure, 1)
			if s.IsRandom() {
				runs = make([][]kerneltimes.Figure, tier.Count(20, 100))
			}
			for seed := range runs {
				runs[seed] = replay.Scenario(t, &s, uint64(seed))
			}
			for _, ours := range kerneltimes.Medians(runs) {
				i := slices.IndexFunc(kernel, func(f kerneltimes.Figure) bool { return f.String() == ours.String() })
				require.GreaterOrEqual(t, i, 0, "%v is not in the table", &ours)
				t.Logf("%v: %s, the kernel's %s", &ours, ours.Text(), kernel[i].Text())
				compared++
				if !scenarioExceptions[ours.String()] {
					assert.InEpsilon(t, kernel[i].Value, ours.Value, 0.1, "%v", &ours)
				}
			}
		})
	}
	assert.Equal(t, len(kernel), compared, "figures of the table")
}

// checkQuantile compares a quantile of sorted figures with the kernel's.
func checkQuantile(t *testing.T, row *kerneltimes.Transfer, what string, sorted []float64, q float64, kernel time.Duration, excepted bool) {
	t.Helper()
	at := func(q float64) float64 {
		return sorted[max(0, min(int(q*float64(len(sorted))), len(sorted)-1))]
	}
	t.Logf("%s: %.4f s, the kernel's %.4f s: %.3f", what, at(q), kernel.Seconds(), at(q)/kernel.Seconds())
	if excepted {
		return
	}
	chance := 0.0
	if row.IsRandom() {
		chance = 2.33 * math.Sqrt(q*(1-q)*(1/float64(row.Runs)+1/float64(len(sorted))))
	}
	tolerance := row.Tolerance()
	assert.GreaterOrEqual(t, kernel.Seconds(), (1-tolerance)*at(q-chance), what)
	assert.LessOrEqual(t, kernel.Seconds(), (1+tolerance)*at(q+chance), what)
}

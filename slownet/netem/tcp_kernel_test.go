package netem_test

import (
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/kerneltimes"
	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A transfer is a row of the kernel's figures.
type transfer struct{ kerneltimes.Transfer }

// kernelTransfers reads the rows of CUBIC and Reno.
func kernelTransfers(t *testing.T) (rows []transfer) {
	t.Helper()
	table, err := os.Open("testdata/kernel-transfers.csv")
	require.NoError(t, err)
	defer table.Close()
	all, err := kerneltimes.Read(table)
	require.NoError(t, err)
	for _, row := range all {
		rows = append(rows, transfer{row})
	}
	return rows
}

// run returns the duration of the transfer with a seed.
func (r *transfer) run(t *testing.T, seed uint64) time.Duration {
	p := newPath(netem.TCP{Congestion: r.Congestion}, measured(r.Up, seed*4), measured(r.Down, seed*4+2))
	asked := 0
	p.ends[1].onArrive = func(n int) {
		if asked += n; asked == kerneltimes.Request {
			p.write(1, r.Body)
		}
	}
	p.write(0, kerneltimes.Request)
	for p.ends[0].arrived < int64(r.Body) {
		require.True(t, p.step(), "stuck with seed %d", seed)
	}
	return p.now
}

// measured returns a link like the one on which the kernel was measured. With
// jitter, packets were reordered in spite of the rate, as on two lines in
// succession.
func measured(link netem.Link, seed uint64) packetLine {
	if link.Jitter == (netem.Jitter{}) {
		return netem.NewPacketFlow(link, seed)
	}
	second := netem.Link{Latency: link.Latency, Jitter: link.Jitter}
	link.Latency, link.Jitter = 0, netem.Jitter{}
	return twoLines{netem.NewPacketFlow(link, seed), netem.NewPacketFlow(second, seed+1)}
}

// exceptions are figures that the kernel shows in about one run of seven, although
// nothing on the path is random: the kernel's timers and scheduling are, and these are
// not modeled.
var exceptions = map[string]string{
	"10M-20ms-q1 100000 reno p90":     "a tail loss in some runs",
	"1G-100ms-q0.1 1000000 cubic p90": "a round more of slow start in some runs",
}

// The time of a transfer is within 10 or 20 % of the kernel's, see Transfer.Tolerance. If
// the path is random, both are samples, so the kernel's figure may also be within the range
// of 98 % of our runs.
func TestTransfersTakeTheKernelsTime(t *testing.T) {
	for _, row := range kernelTransfers(t) {
		if row.Down.Queue.Bytes < 10*1500 {
			continue // see Limitations
		}
		name := row.String()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seeds := 1
			if row.IsRandom() {
				seeds = tier.Count(max(40, min(100_000_000/row.Body, 200)), 400)
			}
			var totals []float64
			for seed := range uint64(seeds) {
				totals = append(totals, row.run(t, seed+1).Seconds())
			}
			slices.Sort(totals)
			row.check(t, totals, 0.5, row.P50.Seconds(), exceptions[name+" p50"])
			row.check(t, totals, 0.9, row.P90.Seconds(), exceptions[name+" p90"])
		})
	}
}

// check compares a quantile of our times with the kernel's.
func (r *transfer) check(t *testing.T, totals []float64, q, kernel float64, exception string) {
	t.Helper()
	tolerance := r.Tolerance()
	at := func(q float64) float64 {
		return totals[max(0, min(int(q*float64(len(totals))), len(totals)-1))]
	}
	chance := 0.0
	if r.IsRandom() {
		chance = 2.33 * math.Sqrt(q*(1-q)*(1/float64(r.Runs)+1/float64(len(totals))))
	}
	ours := at(q)
	t.Logf("quantile %v: %.4f s, the kernel's %.4f s: %.3f", q, ours, kernel, ours/kernel)
	if exception != "" {
		return
	}
	assert.GreaterOrEqual(t, kernel, (1-tolerance)*at(q-chance), "quantile %v", q)
	assert.LessOrEqual(t, kernel, (1+tolerance)*at(q+chance), "quantile %v", q)
}

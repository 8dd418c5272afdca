package netem_test

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A transfer is a row of the kernel's figures: dial, send 200 bytes, read a body.
type transfer struct {
	cell       string
	down, up   netem.Link
	body       int
	tcp        netem.TCP
	runs       int
	connect    float64 // medians, in seconds
	p50, p90   float64 // of the whole
	isRandom   bool
	queueShort bool // fewer than ten packets
}

// kernelTransfers reads the rows of CUBIC and Reno.
func kernelTransfers(t *testing.T) (rows []transfer) {
	t.Helper()
	file, err := os.Open("testdata/kernel-transfers.csv")
	require.NoError(t, err)
	defer file.Close()
	records, err := csv.NewReader(file).ReadAll()
	require.NoError(t, err)
	for _, record := range records[1:] {
		number := func(column string) float64 {
			text := record[slices.Index(records[0], column)]
			value, err := strconv.ParseFloat(text, 64)
			require.NoError(t, err, column)
			return value
		}
		link := func(rate, queue string) netem.Link {
			link := netem.Link{
				Latency: time.Duration(number("oneway_ms") * 1e6),
				Rate:    netem.Rate(number(rate)),
				Queue:   netem.Queue{Bytes: int(number(queue))},
				Loss:    netem.Loss{Random: number("loss")},
				Jitter:  netem.Jitter{Deviation: time.Duration(number("jitter_ms") * 1e6)},
			}
			if record[slices.Index(records[0], "jitter_distribution")] == "normal" {
				link.Jitter.Distribution = netem.Normal
			}
			return link
		}
		row := transfer{
			cell: record[0], down: link("down_bps", "queue_down_bytes"), up: link("up_bps", "queue_up_bytes"),
			body: int(number("body_bytes")), runs: int(number("runs")),
			connect: number("connect_p50_s"), p50: number("total_p50_s"), p90: number("total_p90_s"),
			isRandom:   number("loss") > 0 || number("jitter_ms") > 0,
			queueShort: number("queue_down_bytes") < 10*1500,
		}
		switch algorithm := record[slices.Index(records[0], "congestion_control")]; algorithm {
		case netem.CUBIC.String():
			row.tcp.Congestion = netem.CUBIC
		case netem.Reno.String():
			row.tcp.Congestion = netem.Reno
		default:
			continue
		}
		rows = append(rows, row)
	}
	return rows
}

// run returns how long the transfer takes with a seed.
func (r *transfer) run(t *testing.T, seed uint64) time.Duration {
	p := newPath(r.tcp, measured(r.up, seed*4), measured(r.down, seed*4+2))
	asked := 0
	p.ends[1].onArrive = func(n int) {
		if asked += n; asked == 200 {
			p.write(1, r.body)
		}
	}
	p.write(0, 200)
	for p.ends[0].arrived < int64(r.body) {
		require.True(t, p.step(), "stuck with seed %d", seed)
	}
	return p.now
}

// measured returns a link as the kernel was measured on it. Where it had jitter,
// packets overtook each other in spite of the rate, as if it were two lines, one
// after the other.
func measured(link netem.Link, seed uint64) carrier {
	if link.Jitter == (netem.Jitter{}) {
		return netem.NewPacketFlow(link, seed)
	}
	second := netem.Link{Latency: link.Latency, Jitter: link.Jitter}
	link.Latency, link.Jitter = 0, netem.Jitter{}
	return twoLines{netem.NewPacketFlow(link, seed), netem.NewPacketFlow(second, seed+1)}
}

// exceptions are figures that the kernel has in one run of seven or so, though
// nothing on the path is random: its timers and scheduling were. They are not
// modeled.
var exceptions = map[string]string{
	"10M-20ms-q1 100000 reno p90":     "a tail loss in some runs",
	"1G-100ms-q0.1 1000000 cubic p90": "a round more of slow start in some runs",
}

// The time that a transfer takes is the kernel's within 10 %. Where the path is
// random, both are samples, so the kernel's figure may also be any that as many
// runs of ours give in 98 of 100 cases.
func TestTransfersTakeTheKernelsTime(t *testing.T) {
	for _, row := range kernelTransfers(t) {
		if row.queueShort {
			continue // see Limitations
		}
		name := fmt.Sprintf("%s %d %v", row.cell, row.body, row.tcp.Congestion)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seeds := 1
			if row.isRandom {
				seeds = tier.Pick(max(40, min(100_000_000/row.body, 200)), 400)
			}
			var totals []float64
			for seed := range uint64(seeds) {
				totals = append(totals, row.run(t, seed+1).Seconds())
			}
			slices.Sort(totals)
			row.check(t, totals, 0.5, row.p50, exceptions[name+" p50"])
			row.check(t, totals, 0.9, row.p90, exceptions[name+" p90"])
		})
	}
}

// check compares a quantile of ours with the kernel's.
func (r *transfer) check(t *testing.T, totals []float64, q, kernel float64, exception string) {
	t.Helper()
	tolerance := 0.1
	if r.down.Loss.Random >= 0.05 && r.body >= 1_000_000 || r.isRandom && r.runs < 10 {
		tolerance = 0.2
	}
	at := func(q float64) float64 {
		return totals[max(0, min(int(q*float64(len(totals))), len(totals)-1))]
	}
	chance := 0.0
	if r.isRandom {
		chance = 2.33 * math.Sqrt(q*(1-q)*(1/float64(r.runs)+1/float64(len(totals))))
	}
	ours := at(q)
	t.Logf("quantile %v: %.4f s, the kernel's %.4f s: %.3f", q, ours, kernel, ours/kernel)
	if exception != "" {
		return
	}
	assert.GreaterOrEqual(t, kernel, (1-tolerance)*at(q-chance), "quantile %v", q)
	assert.LessOrEqual(t, kernel, (1+tolerance)*at(q+chance), "quantile %v", q)
}

package fidelity

import (
	"fmt"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/bench/fidelity/kernel"
	"github.com/slowpoetry/slowpoetry/internal/kerneltimes"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// limit is the maximum time of a transfer.
const limit = 10 * time.Minute

// A measuredTransfer is a row of a table with its measurements.
type measuredTransfer struct {
	kerneltimes.Transfer
	connects, firstBytes, totals []time.Duration
	mostLate                     time.Duration
	repeated                     int // runs that were repeated, because packets were late
}

// TestKernelTransfers measures transfers over the TCP of this machine's kernel, and
// compares them with simulated transfers. It prints the results, and fails only if the
// kernel cannot be measured.
func TestKernelTransfers(t *testing.T) {
	if !*measure {
		t.Skip("measures with -kernel only")
	}
	var all []measurement
	for _, row := range readTransfers(t, *table) {
		all = append(all, &measuredTransfer{Transfer: row})
	}
	fmt.Println("path, body, algorithm: kernel p10/p50/p90, ours p50/p90: ratios; the table's p50/p90")
	measureAll(t, all, "kernel-transfers.csv", kerneltimes.Columns)
}

func (m *measuredTransfer) run() error {
	profile := netem.Profile{Up: m.Up, Down: m.Down}
	path, err := kernel.NewPath(profile, 0)
	if err != nil {
		return err
	}
	defer path.Close()
	for seed := seedOf(m); len(m.totals) < *runs; seed++ {
		path.Reset(profile, seed)
		times, err := path.Transfer(&m.Transfer, limit)
		if err != nil {
			return err
		}
		late := path.Late()
		if late.IsTooMuch() && m.repeated < 3**runs {
			m.repeated++
			continue
		}
		m.mostLate = max(m.mostLate, late.Most)
		m.connects = append(m.connects, times.Connect)
		m.firstBytes = append(m.firstBytes, times.FirstByte)
		m.totals = append(m.totals, times.Total)
	}
	return nil
}

func (m *measuredTransfer) print(t *testing.T) {
	ours := compare(t, m.Transfer, *seeds)
	quantile := func(q float64) time.Duration { return kerneltimes.Quantile(m.totals, q) }
	ratio := func(i int, q float64) float64 { return ours.Ours[i].Seconds() / quantile(q).Seconds() }
	fmt.Printf("%v: kernel %s/%s/%s, ours %s/%s: %.2f, %.2f; %s/%s; latest packet %s, %d of %d runs repeated\n",
		m, ms(quantile(0.1)), ms(quantile(0.5)), ms(quantile(0.9)), ms(ours.Ours[0]), ms(ours.Ours[1]),
		ratio(0, 0.5), ratio(1, 0.9), ms(m.P50), ms(m.P90), ms(m.mostLate), m.repeated, m.repeated+len(m.totals))
}

func (m *measuredTransfer) records() [][]string {
	return [][]string{m.Record(m.connects, m.firstBytes, m.totals)}
}

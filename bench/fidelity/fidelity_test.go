package fidelity

import (
	_ "embed"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/kerneltimes"
	"github.com/slowpoetry/slowpoetry/internal/kerneltimes/replay"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

var (
	page  = flag.String("page", "", "the `file` to write the page to; without it, every tenth row is compared")
	seeds = flag.Int("seeds", 100, "the number of seeds for each transfer over a random path")
)

// The tables of the kernel's figures.
const (
	transfersFile = "../../slownet/netem/testdata/kernel-transfers.csv"
	scenariosFile = "../../slownet/netem/testdata/kernel-scenarios.csv"
)

//go:embed fidelity.md.tmpl
var text string

// A comparison is a row of the page.
type comparison struct {
	kerneltimes.Transfer
	Ours [2]time.Duration // the median and the 90th percentile
}

// Ratio returns our value divided by the kernel's.
func (c *comparison) Ratio(i int) float64 {
	return c.Ours[i].Seconds() / c.Kernel(i).Seconds()
}

// Kernel returns the kernel's median or its 90th percentile.
func (c *comparison) Kernel(i int) time.Duration { return [2]time.Duration{c.P50, c.P90}[i] }

// Far reports whether a ratio is outside the tolerance.
func (c *comparison) Far(i int) bool { return math.Abs(c.Ratio(i)-1) > c.Tolerance() }

// HasShortQueue reports whether the queue has room for fewer than ten packets.
func (c *comparison) HasShortQueue() bool { return c.Down.Queue.Bytes < 10*1500 }

// Size returns the body's size.
func (c *comparison) Size() string {
	if c.Body >= 1_000_000 {
		return fmt.Sprintf("%d MB", c.Body/1_000_000)
	}
	return fmt.Sprintf("%d KB", c.Body/1000)
}

// readTransfers reads a table of transfers.
func readTransfers(t *testing.T, name string) []kerneltimes.Transfer {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := kerneltimes.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// simulated returns the medians of a scenario's figures in simulated time.
func simulated(t *testing.T, s *kerneltimes.Scenario, seeds int) []kerneltimes.Figure {
	if !s.IsRandom() {
		seeds = 1
	}
	var all [][]kerneltimes.Figure
	for seed := range uint64(seeds) {
		all = append(all, replay.Scenario(t, s, seed))
	}
	return kerneltimes.Medians(all)
}

// compare runs a transfer with each seed.
func compare(t *testing.T, row kerneltimes.Transfer, seeds int) comparison {
	if !row.IsRandom() {
		seeds = 1
	}
	var all []time.Duration
	for seed := range uint64(seeds) {
		_, total := replay.Transfer(t, &row, seed)
		all = append(all, total)
	}
	slices.Sort(all)
	return comparison{row, [2]time.Duration{all[len(all)/2], all[len(all)*9/10]}}
}

// A scenarioRow is a figure of a scenario on the page.
type scenarioRow struct {
	Kernel, Ours kerneltimes.Figure
}

// Ratio returns our value divided by the kernel's.
func (r *scenarioRow) Ratio() float64 { return r.Ours.Value / r.Kernel.Value }

// Far reports whether the ratio is outside the tolerance.
func (r *scenarioRow) Far() bool { return math.Abs(r.Ratio()-1) > 0.1 }

// compareScenarios compares the figures of scenarios with the kernel's.
func compareScenarios(t *testing.T, seeds int) (rows []scenarioRow) {
	t.Helper()
	f, err := os.Open(scenariosFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	kernel, err := kerneltimes.ReadScenarios(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range kerneltimes.Scenarios() {
		ours := simulated(t, &s, seeds)
		for _, figure := range kernel {
			i := slices.IndexFunc(ours, func(f kerneltimes.Figure) bool { return f.String() == figure.String() })
			if i >= 0 {
				rows = append(rows, scenarioRow{figure, ours[i]})
			}
		}
	}
	return rows
}

// TestFidelity compares transfers and scenarios with the kernel's figures, and writes the
// page. The tests in package simtest have the same tolerances, and also allow for chance.
func TestFidelity(t *testing.T) {
	rows := readTransfers(t, transfersFile)
	var all []comparison
	for i, row := range rows {
		if *page != "" || i%10 == 0 && row.Body <= 1_000_000 {
			all = append(all, compare(t, row, *seeds))
		}
	}
	near, figures := 0, 0
	for _, c := range all {
		for i := range c.Ours {
			if !c.HasShortQueue() {
				figures++
				if !c.Far(i) {
					near++
				}
			}
		}
	}
	if near < figures*17/20 {
		t.Errorf("%d of %d figures are within the tolerance", near, figures)
	}
	scenarios := compareScenarios(t, *seeds)
	if *page != "" {
		writePage(t, map[string]any{
			"Rows": all, "Near": near, "Figures": figures, "Scenarios": scenarios,
			"Seeds": *seeds, "HeaderSize": netem.HeaderSize, "MSS": netem.MSS,
		})
	}
}

// writePage writes the page.
func writePage(t *testing.T, values map[string]any) {
	t.Helper()
	var out strings.Builder
	err := template.Must(template.New("page").Funcs(template.FuncMap{"ms": ms}).Parse(text)).Execute(&out, values)
	if err == nil {
		err = os.WriteFile(*page, []byte(out.String()), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// ms formats a time briefly.
func ms(d time.Duration) string {
	return strings.TrimSuffix(d.Round(100*time.Microsecond).String(), "0s")
}

package fidelity

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/bench/fidelity/kernel"
	"github.com/slowpoetry/slowpoetry/internal/kerneltimes"
)

// A measuredScenario is a scenario with its measurements.
type measuredScenario struct {
	kerneltimes.Scenario
	runs     [][]kerneltimes.Figure
	mostLate time.Duration
	repeated int // runs that were repeated, because packets were late
}

// TestKernelScenarios measures scenarios over the TCP of this machine's kernel, like
// TestKernelTransfers, which measures transfers.
func TestKernelScenarios(t *testing.T) {
	if !*measure {
		t.Skip("measures with -kernel only")
	}
	var all []measurement
	for _, s := range kerneltimes.Scenarios() {
		if *long || !s.IsLong {
			all = append(all, &measuredScenario{Scenario: s})
		}
	}
	fmt.Println("scenario: kernel, ours, ratio")
	measureAll(t, all, "kernel-scenarios.csv", kerneltimes.ScenarioColumns)
}

func (m *measuredScenario) String() string { return m.Name }

func (m *measuredScenario) run() error {
	wanted := *runs
	if m.IsLong {
		wanted = 1
	}
	for seed := seedOf(m); len(m.runs) < wanted; seed++ {
		figures, late, err := kernel.Scenario(&m.Scenario, seed)
		if err != nil {
			return err
		}
		if late.IsTooMuch() && !m.IsLong && m.repeated < 2*wanted {
			m.repeated++
			continue
		}
		m.mostLate = max(m.mostLate, late.Most)
		m.runs = append(m.runs, figures)
	}
	return nil
}

func (m *measuredScenario) figures() []kerneltimes.Figure {
	return kerneltimes.Medians(m.runs)
}

func (m *measuredScenario) print(t *testing.T) {
	ours := simulated(t, &m.Scenario, *seeds)
	for _, kernel := range m.figures() {
		i := slices.IndexFunc(ours, func(f kerneltimes.Figure) bool { return f.Name == kernel.Name })
		if i < 0 {
			fmt.Printf("%v: kernel %s, ours none\n", &kernel, kernel.Text())
			continue
		}
		fmt.Printf("%v: kernel %s, ours %s: %.2f; latest packet %s, %d of %d runs repeated\n", &kernel, kernel.Text(),
			ours[i].Text(), ours[i].Value/kernel.Value, ms(m.mostLate), m.repeated, m.repeated+len(m.runs))
	}
}

func (m *measuredScenario) records() (rows [][]string) {
	for _, f := range m.figures() {
		rows = append(rows, f.Record())
	}
	return rows
}

package kerneltimes

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A Network is a client, a server and a path between them, either simulated or
// on a kernel.
type Network interface {
	// Listen makes the server listen on its port.
	Listen() (net.Listener, error)

	// Dial makes the client dial the server's port.
	Dial(ctx context.Context) (net.Conn, error)

	// Cut sets the directions in which all packets are lost from now on: up is
	// from the client, and down from the server.
	Cut(up, down bool)

	// Lost returns the times at which packets from the client were lost because
	// of Cut.
	Lost() []time.Time
}

// A Scenario is a sequence of events on a network, other than a plain transfer.
// It is run in simulated time and on a kernel.
type Scenario struct {
	Name   string
	Path   netem.Profile
	TCP    netem.TCP
	IsLong bool // the scenario takes minutes
	Run    func(n Network) ([]Figure, error)
}

// IsRandom reports whether the path has random impairments.
func (s *Scenario) IsRandom() bool { return s.Path.Down.Loss.Random > 0 }

// A Figure is a result of a scenario.
type Figure struct {
	Scenario string
	Name     string
	Unit     Unit
	Value    float64
	Runs     int // number of runs; the value is their median
}

// String returns the name of the figure.
func (f *Figure) String() string { return f.Scenario + ": " + f.Name }

// Text returns the value with its unit.
func (f *Figure) Text() string {
	if f.Unit == Seconds {
		return fmt.Sprintf("%.4g s", f.Value)
	}
	if f.Value < 100_000 {
		return fmt.Sprintf("%.1f KB", f.Value/1000)
	}
	return fmt.Sprintf("%.0f KB", f.Value/1000)
}

// A Unit is the unit of a figure.
type Unit string

// The units.
const (
	Seconds Unit = "s"
	Bytes   Unit = "B"
)

// after returns a figure that is a duration.
func after(name string, d time.Duration) Figure {
	return Figure{Name: name, Unit: Seconds, Value: d.Seconds()}
}

// ScenarioColumns are the columns of a table of scenarios.
var ScenarioColumns = []string{"scenario", "figure", "unit", "runs", "p50"}

// Record returns the figure's row of a table.
func (f *Figure) Record() []string {
	return []string{f.Scenario, f.Name, string(f.Unit), strconv.Itoa(f.Runs), strconv.FormatFloat(f.Value, 'g', 5, 64)}
}

// ReadScenarios reads the figures of a table.
func ReadScenarios(table io.Reader) ([]Figure, error) {
	records, err := csv.NewReader(table).ReadAll()
	if err != nil || len(records) == 0 {
		return nil, err
	}
	var all []Figure
	for i, fields := range records[1:] {
		r := record{names: records[0], fields: fields}
		f := Figure{
			Scenario: r.text("scenario"), Name: r.text("figure"), Unit: Unit(r.text("unit")),
			Runs: int(r.number("runs")), Value: r.number("p50"),
		}
		if r.err != nil {
			return nil, fmt.Errorf("row %d: %w", i+1, r.err)
		}
		all = append(all, f)
	}
	return all, nil
}

// Medians returns, for each figure of the first run, the median over all runs that
// contain it.
func Medians(runs [][]Figure) []Figure {
	if len(runs) == 0 {
		return nil
	}
	medians := slices.Clone(runs[0])
	for i := range medians {
		var values []float64
		for _, run := range runs {
			for _, f := range run {
				if f.Name == medians[i].Name {
					values = append(values, f.Value)
				}
			}
		}
		slices.Sort(values)
		medians[i].Value, medians[i].Runs = values[len(values)/2], len(values)
	}
	return medians
}

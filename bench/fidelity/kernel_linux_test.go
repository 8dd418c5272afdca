package fidelity

import (
	"encoding/csv"
	"flag"
	"hash/fnv"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"github.com/slowpoetry/slowpoetry/bench/fidelity/kernel"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

var (
	measure  = flag.Bool("kernel", false, "measure the kernel of this machine; as root")
	cells    = flag.String("cells", "", "measure only transfers and scenarios that match the `regexp`, such as \"loss1 20000 cubic\"")
	runs     = flag.Int("runs", 9, "the number of runs of each measurement")
	parallel = flag.Int("parallel", 1, "the number of measurements at a time")
	table    = flag.String("table", transfersFile, "the `file` whose transfers are measured")
	long     = flag.Bool("long", false, "also measure scenarios that take up to 17 minutes, once each")
	out      = flag.String("out", "", "the `directory` for tables of the results")
)

// A measurement is a transfer or a scenario to be measured.
type measurement interface {
	String() string
	run() error         // measures
	print(t *testing.T) // prints the measured and the simulated figures
	records() [][]string
}

// measureAll measures everything that matches -cells, and writes a table of the results.
func measureAll(t *testing.T, all []measurement, name string, columns []string) {
	wanted, err := regexp.Compile(*cells)
	if err != nil {
		t.Fatal(err)
	}
	path, err := kernel.NewPath(netem.Profile{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	path.Close()
	todo, done := make(chan measurement), make(chan measurement)
	var workers sync.WaitGroup
	for range *parallel {
		workers.Go(func() {
			for m := range todo {
				if err := m.run(); err != nil {
					t.Errorf("%v: %v", m, err)
				} else {
					done <- m
				}
			}
		})
	}
	go func() {
		for _, m := range all {
			if wanted.MatchString(m.String()) {
				todo <- m
			}
		}
		close(todo)
		workers.Wait()
		close(done)
	}()
	records := [][]string{columns}
	for m := range done {
		m.print(t)
		records = append(records, m.records()...)
		if *out != "" { // even if incomplete
			if err := write(filepath.Join(*out, name), records); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// write writes a table.
func write(name string, records [][]string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return csv.NewWriter(f).WriteAll(records)
}

// seedOf returns the first seed of a measurement.
func seedOf(m measurement) uint64 {
	name := fnv.New64a()
	_, _ = name.Write([]byte(m.String()))
	return name.Sum64()
}

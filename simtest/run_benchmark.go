package simtest

import (
	"flag"
	"runtime"
	"testing"
)

// RunB runs a simulation in a benchmark, as Run does in a test, once and in a bubble of
// its own:
//
//	func BenchmarkElection(b *testing.B) {
//		for b.Loop() {
//			simtest.Config{KeepPools: true}.RunB(b, func(t *testing.T, sim *simtest.Sim) { ... })
//		}
//	}
//
// b measures real time. In f time is simulated, so f must not call b.Loop or b's
// methods that start, stop or read its timer. A loop of b.N iterations can be in f or
// around RunB. The measured time includes the bubble, and the garbage collections that
// [Config.KeepPools] avoids.
//
// If the simulation fails, the benchmark fails and ends; the simulation's log is on
// standard output. If the simulation is skipped, so is the benchmark.
func (c Config) RunB(b *testing.B, f func(t *testing.T, sim *Sim)) {
	b.Helper()
	c.mustBeValid()
	if f == nil {
		panic("simtest: RunB needs a function to run")
	}
	ran, skipped := false, false
	ok := runAsTest(b.Name(), func(t *testing.T) {
		ran = true
		defer func() { skipped = t.Skipped() }()
		c.run(t, f)
	})
	switch {
	case !ok:
		b.Fatal("simtest: the simulation has failed, see above")
	case !ran:
		b.Fatal("simtest: the simulation did not run: package testing runs it only under go test, and with -failfast only if nothing has failed before")
	case skipped:
		b.SkipNow()
	}
}

// runAsTest runs f in a test, because a bubble needs one, and reports whether it has
// passed. The process's test flags do not apply: -run need not match it, it runs once
// regardless of -count and -cpu, since the benchmark is repeated anyway, and it is
// silent even with -v unless it fails.
func runAsTest(name string, f func(t *testing.T)) (passed bool) {
	for name, value := range map[string]string{"test.count": "1", "test.skip": "", "test.v": "false"} {
		if option := flag.Lookup(name); option != nil {
			before := option.Value.String()
			_ = option.Value.Set(value)
			defer func() { _ = option.Value.Set(before) }()
		}
	}
	processors := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(processors)
	ran := false
	once := func(t *testing.T) {
		if ran {
			return // not again for another number of processors
		}
		ran = true
		runtime.GOMAXPROCS(processors)
		f(t)
	}
	all := func(string, string) (bool, error) { return true, nil }
	return testing.RunTests(all, []testing.InternalTest{{Name: name, F: once}})
}

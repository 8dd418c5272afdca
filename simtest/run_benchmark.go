package simtest

import (
	"flag"
	"runtime"
	"testing"
)

// RunB runs a simulation in a benchmark, as Run does in a test, once and in a
// bubble of its own:
//
//	func BenchmarkElection(b *testing.B) {
//		for b.Loop() {
//			simtest.Config{KeepPools: true}.RunB(b, func(t *testing.T, sim *simtest.Sim) { ... })
//		}
//	}
//
// b measures real time, so its methods that start, stop or ask its timer are not
// for f, where time is simulated: no b.Loop in f. A loop of b.N turns may be in f as
// well as around RunB. The bubble is part of what is measured, and so are the
// garbage collections that [Config.KeepPools] leaves out.
//
// When the simulation fails, so does the benchmark, and ends; what the simulation
// has logged is on standard output. When it skips, so does the benchmark.
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

// runAsTest runs f in a test, because a bubble needs one, and tells whether that
// has passed. The flags that are for the tests of the process are not for this
// one: it is not named by -run, runs once whatever -count and -cpu say, since the
// benchmark is repeated anyway, and is silent with -v unless it fails.
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
			return // for another number of processors
		}
		ran = true
		runtime.GOMAXPROCS(processors)
		f(t)
	}
	all := func(string, string) (bool, error) { return true, nil }
	return testing.RunTests(all, []testing.InternalTest{{Name: name, F: once}})
}

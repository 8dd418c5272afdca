package simtest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Run runs f in a testing/synctest bubble with a network, as the zero [Config]
// says.
func Run(t *testing.T, f func(t *testing.T, sim *Sim)) {
	t.Helper()
	Config{}.Run(t, f)
}

// Run runs f in a testing/synctest bubble with a network. When f returns, what
// the simulation still has open is closed and the contexts of its programs end,
// so that servers and clients end. What still runs a simulated minute later is
// reported, host by host, and fails the test. So is who waits for what when the
// time limit is reached, or when everything waits for ever. A simulation that
// fails says how to run the test again with its seed. If f calls t.FailNow, or
// does not return, the test ends with it; after t.Error it goes on, and may try
// more seeds. Run panics on a config that is not valid.
func (c Config) Run(t *testing.T, f func(t *testing.T, sim *Sim)) {
	t.Helper()
	c.run(t, f)
}

// run is Run, and tells whether the simulation has failed.
func (c Config) run(t *testing.T, f func(t *testing.T, sim *Sim)) (failed bool) {
	t.Helper()
	c.mustBeValid()
	if f == nil {
		panic("simtest: Run needs a function to run")
	}
	seed, err := seedFromEnvironment(c.Seed)
	if err != nil {
		t.Fatal(err)
	}
	c.Seed = seed
	if !c.KeepPools {
		startLibrary()
		emptyPools()
		defer emptyPools()
	}
	failedBefore := t.Failed()
	var failedInside atomic.Bool // what has failed before is not this simulation's
	told := false
	defer func() {
		failed = failed || failedInside.Load() || t.Failed() && !failedBefore
		if failed && !told {
			t.Logf("simtest: %s", rerunText(t, seed))
		}
	}()
	w := &watchdog{}
	deadlock := bubble(t, w, func(t *testing.T) {
		t.Cleanup(func() { failedInside.Store(t.Failed()) })
		c.simulate(t, w, f)
	})
	if deadlock == nil {
		return false
	}
	failed = true
	s := w.simulation.Load()
	switch {
	case deadlock == errStuck:
		// Whatever the test still does may wait for the mutex too, and for ever,
		// and what it logs is printed when it has ended.
		told = true
		fmt.Fprintf(os.Stderr, "simtest: %s: %s%s\n", t.Name(), s.stuckText(), rerunText(t, seed))
		t.Fatalf("simtest: %v: see standard error", deadlock)
	case !s.ended.Load():
		t.Fatalf("simtest: everything waits for ever.\n%s", s.stateText())
	}
	if running := stillRunning(s.id); len(running) > 0 {
		t.Fatalf("simtest: what still runs %v after the simulation has ended:\n%s", windUp, formatGoroutines(running))
	}
	t.Fatalf("simtest: %v", deadlock)
	return true
}

// simulate runs f in a bubble that exists.
func (c Config) simulate(t *testing.T, w *watchdog, f func(t *testing.T, sim *Sim)) {
	id := newSimulationID()
	joinSimulation(id)
	seedCrypto(t, c.Seed)
	// The first clean-up is the last that is done, after the test's own and
	// after t.Context has ended.
	var test *call
	var sim *Sim
	var took time.Duration
	t.Cleanup(func() {
		if test.panicking() {
			return // it may have left locks that others wait for, and time stands still
		}
		time.Sleep(windUp)
		synctest.Wait() // for what wakes at this instant too
		sim.took.Store(int64(took))
	})
	// A panic in a goroutine that is not the test's ends the process at once.
	telling := func(f func()) {
		defer func() {
			if panics() {
				fmt.Fprintf(os.Stderr, "simtest: %s\n", rerunText(t, c.Seed))
			}
		}()
		f()
	}
	sim = newSim(c, synctest.Wait)
	sim.fail = func(report string) { t.Error(report) }
	sim.running = func() string { return formatGoroutines(stillRunning(id)) }
	sim.started = func(host string, f func()) {
		if host == "" {
			go func() {
				joinSimulation(id)
				telling(f)
			}()
			return
		}
		goOnHost(context.Background(), id, host, func(context.Context) { telling(f) })
	}
	s := &simulation{id: id, sim: sim}
	w.simulation.Store(s)
	go runUnlisted(func() { telling(sim.loop) })

	test = apart(func() { telling(func() { f(t, sim) }) })
	select {
	case <-test.done:
	case <-sim.expired:
		select {
		case <-test.done:
		case <-time.After(windUp):
		}
	}
	s.test = test
	s.ended.Store(true)
	if test.panicking() {
		test.end() // it ends the process before anything that was logged is printed
	}
	took = sim.Elapsed()
	sim.close()
	if sim.report != "" {
		t.Error(sim.report)
	} else if name, ok := sim.unknownHost(); ok && !t.Failed() {
		t.Errorf("simtest: a link or a fault names %q, which never was a host: create it with sim.Host(%[1]q), or mend the name", name)
	}
	test.end()
	if sim.report != "" {
		t.FailNow() // what comes after f could count on what f has not done
	}
}

// windUp is how much simulated time goroutines have to end after everything
// was closed: time stops when the bubble's main goroutine ends.
const windUp = time.Minute

// Main runs f in simulated time in an ordinary program, outside of go test, and
// returns when f and all that it started have ended. If something in f panics,
// or f makes a mistake that fails a test, the program ends as a test does, with
// status 1. Several calls run one after another.
//
// A bubble needs package testing around it, so Main runs f as its only test,
// with the process's flag.CommandLine as it is: a program that has flags of its
// own there parses them before. In a test Main panics: there, use [Run].
func Main(f func(sim *Sim)) {
	if testing.Testing() {
		panic("simtest: Main is for programs; in a test, call Run")
	}
	if f == nil {
		panic("simtest: Main needs a function to run")
	}
	mainMu.Lock()
	defer mainMu.Unlock()
	if !flag.Parsed() {
		_ = flag.CommandLine.Parse(nil) // so that package testing does not parse the program's arguments
	}
	done := make(chan struct{})
	go testing.Main(
		func(pattern, name string) (bool, error) { return true, nil },
		[]testing.InternalTest{{Name: "Main", F: func(t *testing.T) {
			Run(t, func(_ *testing.T, sim *Sim) { f(sim) })
			close(done)
			select {} // to return would end the process, with words of package testing's
		}}},
		nil, nil)
	<-done
}

// mainMu makes calls of Main take turns.
var mainMu sync.Mutex

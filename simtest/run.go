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

// Run runs f in a testing/synctest bubble with a network, with the zero [Config].
func Run(t *testing.T, f func(t *testing.T, sim *Sim)) {
	t.Helper()
	Config{}.Run(t, f)
}

// Run runs f in a testing/synctest bubble with a network, and ends the simulation in
// this order:
//
//   - f returns, and t.Context ends.
//   - The clean-ups of f's t run, the last one first. They are subject to the
//     time limit, as f is. The network is up and time goes on, so a clean-up can
//     shut a server down or close a connection.
//   - The contexts of programs end, and programs have [Config.Grace] to return.
//   - The network closes: listeners, sockets and connections that are still open.
//
// Goroutines that still run a simulated minute later are reported, host by host, and
// fail the test. When the time limit is reached, or everything is blocked forever, the
// report says who waits for what. A simulation that fails prints how to run the test
// again with its seed. If f or a clean-up calls t.FailNow, or does not return, the test
// ends too; after t.Error it continues, and may try more seeds. Run panics on an
// invalid config, and in a simulation.
func (c Config) Run(t *testing.T, f func(t *testing.T, sim *Sim)) {
	t.Helper()
	mustBeOutside("Run")
	c.run(t, f)
}

// run is Run, and reports whether the simulation has failed.
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
	if c.layers, err = layersFromEnvironment(); err == nil {
		c.Schedule, err = scheduleFromEnvironment(c.Schedule, c.layers)
	}
	if err == nil {
		err = c.layers.suffice(c.needs)
	}
	if err != nil {
		t.Fatal(err)
	}
	if c.chaos == nil {
		c.chaos = newChaosRun(&c.Chaos)
	}
	if c.eventFile, err = newEventFile(t, &c); err != nil {
		t.Fatal(err)
	}
	labelsType() // starts a goroutine once, which would count as the first simulation's
	if !c.KeepPools {
		startLibrary()
		if !c.layers.Time {
			emptyPools()
			defer emptyPools()
		}
	}
	w := newWatchdog()
	defer func() {
		if s := w.sim(); s != nil {
			s.leaveNet()
		}
	}()
	failedBefore := t.Failed()
	var failedInside atomic.Bool // earlier failures are not this simulation's
	told, stated := false, false // whether the rest of the report, and the state of the network, have been printed
	defer func() {
		failed = failed || failedInside.Load() || t.Failed() && !failedBefore
		if failed && !told {
			t.Logf("simtest: %s", c.failureText(t, w.sim(), !stated))
		}
		if c.recording != nil {
			c.recording.file = c.eventFile
			c.eventFile.hold()
		}
		c.eventFile.end(false)
	}()
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
		// Whatever the test still does may also wait for the mutex forever, and the
		// test's log is printed only when the test has ended.
		told = true
		fmt.Fprintf(os.Stderr, "simtest: %s: %s%s\n", t.Name(), s.stuckText(w.last.goroutines), c.failureText(t, s.sim, false))
		t.Fatalf("simtest: %v: see standard error", deadlock)
	case deadlock == errAbandoned:
		if !s.reported {
			t.Error(s.sim.report)
		}
		stated = true
		t.Fatalf("simtest: goroutines that still run %v after that, because a clean-up does not end:\n%s", cleanUpTime, formatGoroutines(stillRunning(s.id)))
	case !s.over.Load():
		stated = true
		t.Fatalf("simtest: %severything is blocked forever.\n%s", s.afterPanic(), s.stateText())
	}
	if running := stillRunning(s.id); len(running) > 0 {
		t.Fatalf("simtest: goroutines that still run %v after the simulation has ended:\n%s", cleanUpTime, formatGoroutines(running))
	}
	t.Fatalf("simtest: %v", deadlock)
	return true
}

// simulate runs f in the present bubble.
func (c Config) simulate(t *testing.T, w *watchdog, f func(t *testing.T, sim *Sim)) {
	id := newSimulationID()
	joinSimulation(id)
	seeded := c.layers.Order || !c.KeepRand && seedProcess(t, c.Seed)
	if c.recording != nil {
		c.recording.unseeded = !seeded
	}
	s := &simulation{id: id, config: c, cleaned: make(chan struct{})}
	t.Cleanup(func() { runUnlisted(func() { s.finish(t) }) })
	// A panic in a goroutine other than the test's ends the process at once.
	telling := func(f func()) {
		defer func() {
			if panics() {
				fmt.Fprintf(os.Stderr, "simtest: %s\n", c.failureText(t, w.sim(), true))
			}
		}()
		f()
	}
	if !c.Start.IsZero() {
		time.Sleep(time.Until(c.Start)) // nothing else waits for time yet
	}
	sim := newSim(c, synctest.Wait)
	sim.bubble, sim.nap, sim.layers = id, w.nap, c.layers
	if c.layers.Net {
		sim.enterNet()
	}
	sim.fail = func(report string) { t.Error(report) }
	sim.trace.failed = t.Failed
	if c.Logger == nil && testing.Testing() {
		sim.logHandler = sim.logTo(t.Output())
	}
	sim.running = func() string { return formatGoroutines(stillRunning(id)) }
	sim.context = func(host string) context.Context { return onHost(context.Background(), id, host) }
	sim.started = func(host string, f func()) { // called with sim.mu held
		if host == "" {
			go func() {
				joinSimulation(id)
				telling(f)
			}()
			return
		}
		h := sim.hosts[host]
		goOnHost(context.Background(), id, host, func(context.Context) {
			c.layers.setHost(h)
			telling(f)
		})
	}
	s.sim = sim
	w.simulation.Store(s)
	// The numbers of goroutines that this one starts depend on how often it gives its turn
	// away from here on. What happens once in a process comes before: its first timer takes a
	// mutex, for instance.
	c.layers.enter(c.Seed, c.Schedule)
	sim.startLoop(func(f func()) { runUnlisted(func() { telling(f) }) })

	s.test = apart(func() {
		c.layers.explore()
		telling(func() { f(t, sim) })
	})
	select {
	case <-s.test.done:
	case <-sim.expired:
		select {
		case <-s.test.done:
		case <-time.After(cleanUpTime):
		}
	}
	s.functionOver(t, w)
}

// Main runs f in simulated time in an ordinary program, outside of go test, and returns
// when f and everything that it started have ended. If f panics, or does something that
// fails a test, the program exits like a test, with status 1. Several calls run one
// after another.
//
// A bubble needs package testing around it, so Main runs f as the only test of the
// process, with flag.CommandLine as it is: a program with flags of its own must parse
// them before it calls Main. Main panics in a test: use [Run] there.
func Main(f func(sim *Sim)) { Config{}.Main(f) }

// Main is like the function [Main], with settings.
func (c Config) Main(f func(sim *Sim)) {
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
			c.Run(t, func(_ *testing.T, sim *Sim) { f(sim) })
			close(done)
			select {} // returning would end the process, with output of package testing
		}}},
		nil, nil)
	<-done
}

// mainMu serializes calls of Main.
var mainMu sync.Mutex

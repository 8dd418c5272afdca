package simtest

import (
	"flag"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Run runs f in a testing/synctest bubble with a network. When f returns, what
// the simulation still has open is closed, so that servers and clients end.
func Run(t *testing.T, f func(t *testing.T, sim *Sim)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		// The first clean-up is the last that is done, after the test's own and
		// after t.Context has ended.
		t.Cleanup(func() { time.Sleep(windUp) })
		sim := newSim(synctest.Wait)
		defer func() {
			sim.close()
			if name := sim.unknownHost(); name != "" && !t.Failed() {
				t.Errorf("simtest: SetLink names %q, which never was a host: create it with sim.Host(%[1]q), or mend the name", name)
			}
		}()
		f(t, sim)
	})
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

package simtest

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A simulation is one run of a function in a bubble. It ends in clean-ups of the
// bubble's test, so that the function's own clean-ups run at the time that users of
// package testing expect:
//
//  1. The function returns, or is given up.
//  2. t.Context ends, and all goroutines block (in the clean-up that is registered
//     last and runs first).
//  3. The function's clean-ups run.
//  4. The contexts of programs end, programs have the grace to return, and the network
//     is closed; then remaining goroutines have cleanUpTime to end (in the clean-up
//     that is registered first and runs last).
type simulation struct {
	id      string
	config  Config
	sim     *Sim
	test    *call         // its function; may be read when it has ended
	cleaned chan struct{} // closed when the function's clean-ups have run
	ended   atomic.Bool   // the function has ended, or was given up
	over    atomic.Bool   // the network is closed

	reported bool // the reason why it was stopped has been reported
}

// cleanUpTime is the simulated time that goroutines have to end after everything has
// been closed: time stops when the bubble's main goroutine ends.
const cleanUpTime = time.Minute

// functionOver is called when the function has returned or was given up, before its
// clean-ups run.
func (s *simulation) functionOver(t *testing.T, w *watchdog) {
	s.ended.Store(true)
	if s.test.panicking() {
		s.test.end() // a panic ends the process before any log is printed
	}
	s.sim.noteFailure()
	s.sim.whenAllBlocked(func() {}) // for hosts created at this instant
	stopped := s.reportStop(t)
	if missing := s.sim.missingHosts(); missing != "" && !stopped && s.test.returned() {
		t.Error(missing)
	}
	t.Cleanup(func() {
		runUnlisted(func() { s.sim.whenAllBlocked(func() {}) })
	})
	go runUnlisted(func() { s.watchCleanUps(w) })
	s.test.end()
	if stopped {
		t.FailNow() // later code could rely on something that f has not done
	}
}

// reportStop reports why the simulation was stopped before its end, if it was, and if
// that was not reported before.
func (s *simulation) reportStop(t *testing.T) (stopped bool) {
	if s.reported {
		return false
	}
	select {
	case <-s.sim.expired:
	default:
		return false
	}
	s.reported = true
	t.Error(s.sim.report)
	return true
}

// watchCleanUps gives the bubble up when the function's clean-ups have not ended
// cleanUpTime after the time limit. Unlike the function, a clean-up cannot be given
// up alone: it runs in the goroutine whose end ends the bubble.
func (s *simulation) watchCleanUps(w *watchdog) {
	select {
	case <-s.cleaned:
		return
	case <-s.sim.expired:
	}
	select {
	case <-s.cleaned:
		return
	case <-time.After(cleanUpTime):
	}
	synctest.Wait() // for goroutines that wake at this instant too; the loop has ended
	select {
	case <-s.cleaned:
	default:
		w.giveUp()
	}
}

// finish is called when the function's clean-ups have run.
func (s *simulation) finish(t *testing.T) {
	if unwinds("runtime.gopanic") {
		if !s.test.panicking() { // a panic has been reported already
			fmt.Fprintf(os.Stderr, "simtest: %s\n", s.config.failureText(t, s.sim, true))
		}
		return // the panic may have left locks that goroutines wait for, so that time stands still
	}
	s.sim.noteFailure()
	close(s.cleaned)
	s.sim.endPrograms(s.config.grace())
	took := s.sim.Elapsed()
	s.sim.close()
	s.over.Store(true)
	stopped := s.reportStop(t)
	time.Sleep(cleanUpTime)
	synctest.Wait() // for goroutines that wake at this instant too
	s.sim.took.Store(int64(took))
	if stopped {
		t.FailNow()
	}
}

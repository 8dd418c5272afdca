package simtest

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A watchdog detects that a simulation stands still forever. A goroutine that waits for
// a mutex is not durably blocked: testing/synctest assumes that it will continue by
// itself. If the holder of the mutex waits for the network or for time, neither
// continues: no limit of simulated time is ever reached, and the runtime does not
// report a deadlock.
//
// The watchdog watches from outside of the bubble, in real time. As long as the
// network's loop makes turns, a look costs next to nothing. If there was no turn since
// the last look, the watchdog requests a dump of all goroutines. The dump is taken
// while everything is stopped, so it is conclusive: if no goroutine of the simulation
// is running or runnable, and each is durably blocked or waits for a mutex, then only a
// goroutine outside that holds the mutex could wake one of them. Ruling this out takes
// more than one look. It does not matter how long the simulation computes, or whether a
// debugger or the garbage collector stops it: then some goroutine is runnable.
type watchdog struct {
	simulation atomic.Pointer[simulation] // set when there is something to watch
	abandoned  chan struct{}              // closed when the bubble is given up
	never      chan struct{}              // never closed
	naps       chan time.Duration         // receives each nap when it begins
	rested     chan struct{}              // receives a token when the nap ends

	turns uint64 // of the loop, at the last look
	last  survey
	// The number of consecutive looks that have found the simulation stuck in the same
	// place, with the goroutines outside of it
	stuck   int // in any state;
	blocked int // blocked;
	idle    int // and not on anything that could end by itself.

	since time.Time // time at which it was first found to stand still at this point; otherwise zero
	told  bool      // this standstill has been reported
}

// lookEvery is the interval of looks in real time. It grows if they are expensive, see
// nextLook.
var lookEvery = time.Second // a variable for tests

const (
	enoughIdle    = 3  // looks, if no goroutine outside of the simulation can hold the mutex
	enoughBlocked = 60 // looks, if a blocked goroutine outside might: no input or output takes that long
	enoughBusy    = 2  // looks, if a running goroutine outside might, but the process's time is almost over
	enoughStill   = 10 // looks before reporting which goroutines stop time
)

// newWatchdog returns a watchdog for a bubble. It is created outside of the bubble, so
// that time in the bubble stands still while a goroutine waits for its channels.
func newWatchdog() *watchdog {
	return &watchdog{abandoned: make(chan struct{}), never: make(chan struct{}), naps: make(chan time.Duration), rested: make(chan struct{})}
}

// giveUp is called in the bubble, and gives it up. It does not return, and time
// stands still from then on.
func (w *watchdog) giveUp() {
	close(w.abandoned)
	<-w.never
}

// nap is called in the bubble and sleeps in real time.
func (w *watchdog) nap(d time.Duration) {
	w.naps <- d
	<-w.rested
}

// sim returns the simulation, or nil if there is none yet.
func (w *watchdog) sim() *Sim {
	if s := w.simulation.Load(); s != nil {
		return s.sim
	}
	return nil
}

// wait waits until done is closed, and returns nil, or until the bubble is given up,
// and returns the reason: that the simulation stands still forever, or that giveUp was
// called. A nil watchdog never gives up.
func (w *watchdog) wait(t *testing.T, done <-chan struct{}) error {
	if w == nil {
		<-done
		return nil
	}
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	var took, before time.Duration // by the last look, and by the one before it
	for {
		select {
		case <-done:
			return nil
		case <-w.abandoned:
			return errAbandoned
		case d := <-w.naps:
			time.Sleep(d)
			w.rested <- struct{}{}
			continue
		case <-timer.C:
		}
		start := time.Now()
		if w.look(t) {
			return errStuck
		}
		took, before = time.Since(start), took
		timer.Reset(nextLook(took, before))
	}
}

// nextLook returns the time until the next look, given how long the last two took. Looks
// take at most a hundredth of the time. On a busy machine one look can take a second by
// chance, and must not postpone the next one by minutes, so the shorter of the two counts.
func nextLook(took, before time.Duration) time.Duration { return max(lookEvery, 100*min(took, before)) }

// look reports whether it is certain that the simulation is stuck. If the simulation
// has only stood still for long, look says so on standard error.
func (w *watchdog) look(t *testing.T) bool {
	s := w.simulation.Load()
	if s == nil {
		return false
	}
	if turns := s.sim.turns.Load(); turns != w.turns {
		w.turns, w.stuck, w.since = turns, 0, time.Time{}
		w.last = survey{} // the dump of many goroutines takes much memory
		return false
	}
	now := surveyOf(dumpAll(), s.id)
	deadline, ok := t.Deadline()
	late := ok && time.Until(deadline) < 5*lookEvery
	still := w.standsStill(now, late)
	stuck := w.isStuck(now, late)
	w.last = survey{}
	if now.still {
		w.last = now
	}
	if still && !stuck {
		fmt.Fprintf(os.Stderr, "simtest: %s: %s", t.Name(), s.standsStillText(now, time.Since(w.since)))
	}
	return stuck
}

// isStuck reports whether it is certain that the simulation is stuck.
func (w *watchdog) isStuck(now survey, late bool) bool {
	if !now.stuck {
		w.stuck = 0
		return false
	}
	if w.stuck == 0 || now.places != w.last.places {
		w.stuck, w.blocked, w.idle = 0, 0, 0
	}
	w.stuck++
	w.blocked++
	w.idle++
	if now.outside == atWork {
		w.blocked = 0
	}
	if now.outside != atRest {
		w.idle = 0
	}
	return w.idle >= enoughIdle || w.blocked >= enoughBlocked || late && w.stuck >= enoughBusy
}

// A survey is the state of one bubble according to a dump of all goroutines.
type survey struct {
	still      bool   // neither the bubble's goroutines nor its time advance
	stuck      bool   // the bubble stands still, and only because of mutexes
	places     string // of its goroutines
	outside    activity
	goroutines []*goroutine // of the bubble
}

// An activity is the expected behaviour of a goroutine.
type activity int

const (
	atRest activity = iota // nothing: it belongs to package testing, another simulation, or the runtime
	atWait                 // it may continue at some time
	atWork                 // it is working
)

// surveyOf parses a dump.
func surveyOf(dump, bubble string) survey {
	if len(dump) >= maxDump {
		return survey{} // the dump is incomplete
	}
	var places strings.Builder
	now := survey{outside: atRest}
	moving, mutexes, foreign := 0, 0, 0
	for g := range parseDump(dump) {
		if g.bubble != bubble {
			if !g.durable && !(g.waitsForMutex() && g.bubble != "") {
				now.outside = max(now.outside, g.activity(g.state))
			}
			continue
		}
		now.goroutines = append(now.goroutines, g)
		switch {
		case g.polls():
			continue
		case g.durable:
		case g.waitsForMutex():
			mutexes++
		case g.waitsOutside():
			foreign++
		default:
			moving++
		}
		fmt.Fprintf(&places, "goroutine %s [%s]\n%s\n", g.number, g.state, g.key())
	}
	now.places = places.String()
	now.still = moving == 0 && mutexes+foreign > 0
	now.stuck = now.still && foreign == 0
	return now
}

// waitsForMutex reports whether the goroutine waits for a mutex.
func (g *goroutine) waitsForMutex() bool { return isMutexWait(g.state) }

func isMutexWait(state string) bool {
	switch state {
	case "sync.Mutex.Lock", "sync.RWMutex.Lock", "sync.RWMutex.RLock":
		return true
	}
	return false
}

// waitsOutside reports whether the goroutine, which is in a bubble, waits for something
// outside of the bubble: it is neither running nor runnable, nor stopped by the
// runtime.
func (g *goroutine) waitsOutside() bool {
	return !g.durable && !g.waitsForMutex() && !g.polls() && !movingState.MatchString(g.state)
}

// polls reports whether the goroutine waits, in the overlay's layer time, until a mutex
// is unlocked that is held outside of the simulation: it checks that repeatedly.
func (g *goroutine) polls() bool {
	if g.durable || len(g.frames) == 0 || overlay == nil {
		return false
	}
	switch g.state {
	case "syscall", "running", "runnable":
		return isPartOf(packageOf(g.frames[0].function), "testing/synctest", "internal/synctest")
	}
	return false
}

var movingState = regexp.MustCompile(`^(running|runnable|idle|dead|copystack|preempted|panicwait|debug call|dumping heap|stopping the world|wait for GC cycle|\?\?\?|)$|^(GC|garbage|trace|flushing|page trace) |\(scan\)$`)

// activity returns the expected activity of a goroutine outside of bubbles, or in a
// bubble that is not stuck.
func (s *stack) activity(state string) activity {
	if len(s.frames) == 0 {
		return atRest // the runtime's own
	}
	for _, f := range s.frames {
		switch f.function {
		case ownPackage + ".(*watchdog).wait", "os/signal.signal_recv",
			ownPackage + ".(*searchProcess).wait", ownPackage + ".(*searchProcess).read", ownPackage + ".(*searchRun).runPhase",
			ownPackage + ".(*searchWorker).read", ownPackage + ".watchOwnMemory.func1":
			return atRest
		}
	}
	switch state {
	case "chan receive", "chan send", "select", "select (no cases)":
		if inner := s.frames[0]; inner.own() || packageOf(inner.function) == "testing" {
			return atRest // such as a test that waits for its subtests, or a Main that has ended
		}
		return atWait
	case "chan receive (nil chan)", "chan send (nil chan)",
		"sync.Cond.Wait", "sync.WaitGroup.Wait", "semacquire", "sleep", "IO wait":
		return atWait
	}
	if isMutexWait(state) {
		return atWait
	}
	return atWork
}

// stuckText says why a simulation with these goroutines is stuck, and what to
// do about it.
func (s *simulation) stuckText(all []*goroutine) string {
	if s.config.layers.Time {
		return s.afterPanic() + "everything is blocked forever: a goroutine waits for a mutex. " + heldOutsideText + s.stateText()
	}
	return fmt.Sprintf(`%severything is blocked forever: a goroutine waits for a mutex, which stops simulated time, so the mutex's holder, which waits for the network or for time, is blocked forever too.
A goroutine must not wait for the network while it holds a lock that others wait for. A tls.Conn does so in its handshake: call Handshake or HandshakeContext, and only then read and write in two goroutines.
%s%s`, s.afterPanic(), holdersText(s.id, all), s.stateText())
}

// afterPanic returns the beginning of a report that the simulation stands still, if the
// simulation's function has panicked. The panic itself may not have been reported,
// because reporting it can wait for a mutex that the function has left locked.
func (s *simulation) afterPanic() string {
	if s.ended.Load() && s.test.panicking() {
		return fmt.Sprintf("panic: %v\nAfter this panic ", s.test.panic)
	}
	return ""
}

// stateText describes the network and goroutines of a simulation that stands still.
func (s *simulation) stateText() string {
	text := "The state of the network is unknown: it is locked.\n"
	if s.sim.mu.TryLock() {
		text = s.sim.stateLocked()
		s.sim.mu.Unlock()
	}
	if running := stillRunning(s.id); len(running) > 0 {
		text += "Goroutines:\n" + formatGoroutines(running)
	}
	return text
}

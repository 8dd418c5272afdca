package simtest

import (
	"runtime"
	"strings"
	"time"
)

// A goroutine that is woken by an end, as its host crashes or the simulation
// ends, may next wait for a mutex whose holder waits for the next thing to end.
// On a real machine both go on. Here the loop waits for quiet; and as
// testing/synctest considers a goroutine that waits for a mutex running, the
// loop would wait for ever. So while things end, and until all is quiet,
// another goroutine watches for that, and then goes on in the loop's place. If
// nothing is stuck, it changes nothing.

// Limits on the stack dumps of a simulation, in bytes. Each goroutine in a dump
// takes some 700 bytes and 5 microseconds, those of other simulations included.
const (
	stallBudget     = 1 << 20  // for what programs do when their contexts end
	stallStepBudget = 64 << 10 // for the consequences of each thing that the end itself closes
)

// maxStallGoroutines is the number of goroutines in the process above which no dump
// is made, as it would take long.
const maxStallGoroutines = 1500

// enoughStalled is how many looks in succession must find everything stuck: a
// mutex may also be held by a goroutine outside of the simulation, for a while.
const enoughStalled = 20

// mayStallLocked is called when an end wakes a goroutine while there is more to
// end.
func (s *Sim) mayStallLocked(budget int) {
	if s.nap == nil || s.stallWatched || s.stallCost >= budget || s.closed && len(s.ends) <= 1 {
		return
	}
	if runtime.NumGoroutine() <= maxStallGoroutines {
		s.stallWatched = true
		go runUnlisted(s.watchStall)
	}
}

// How many looks in succession wait for a goroutine that seems to be in no
// bubble: one of the simulation's seems so while it helps the garbage
// collector.
const (
	enoughCollecting = 20 // for one that does so, or may
	enoughRunning    = 3  // for one that runs, which mostly is none of the simulation's
)

// watchStall looks until everything is quiet, or nothing is left to end.
func (s *Sim) watchStall() {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stallWatched = false
	}()
	const shortest, longest = time.Millisecond, 100 * time.Millisecond
	nap, stalled, doubts := shortest, 0, 0
	for look := 0; ; look++ {
		for range 50 {
			runtime.Gosched() // usually the woken goroutines need no more
		}
		s.turns.Add(1) // the watchdog need not look meanwhile
		dump := s.dump()
		s.stallCost += len(dump)
		switch progressOf(dump, s.bubble) {
		case allBlocked:
			return
		case running:
			if doubts++; doubts >= enoughRunning {
				return
			}
		case collecting:
			if doubts++; doubts >= enoughCollecting {
				return
			}
			s.nap(shortest)
		case moving:
			if s.stallCost >= stallBudget {
				return
			}
			stalled, doubts = 0, 0
			if look > 3 {
				s.nap(nap)
				nap = min(2*nap, longest)
			}
		case stuck:
			if stalled++; stalled < enoughStalled {
				s.nap(shortest)
				continue
			}
			if !s.goOnStalled() {
				return
			}
			// It is certain by now, so one more look is enough.
			nap, stalled, doubts, s.stallCost = shortest, enoughStalled-1, 0, 0
		}
	}
}

// dump returns the stacks of all goroutines, as dumpAll does, but needs little
// memory for few.
func (s *Sim) dump() string {
	if s.stallDump == nil {
		s.stallDump = make([]byte, 16<<10)
	}
	if n := runtime.Stack(s.stallDump, true); n < len(s.stallDump) {
		return string(s.stallDump[:n])
	}
	dump := dumpAll()
	if len(dump) < maxDump {
		s.stallDump = make([]byte, 2*len(dump))
	}
	return dump
}

// goOnStalled does what the loop would do next. If nothing is left to happen at
// this instant, the network closes, when the simulation is about to end: time does
// not go on. It returns false if nothing is left at all.
func (s *Sim) goOnStalled() bool {
	s.mu.Lock()
	defer s.unlock()
	s.wakeLoopLocked()
	s.instant = s.now()
	if !s.closed {
		s.sendDeferredLocked(s.instant)
		s.collectLocked()
		switch {
		case !s.closing && s.stepLocked():
			return true
		case !s.closing && !s.ending:
			return false
		}
	}
	s.startClosingLocked()
	return s.endNextLocked()
}

// The state of a simulation according to a dump.
type progress int

const (
	allBlocked progress = iota // every goroutine is blocked as testing/synctest wants it
	running                    // so it seems, but one may be running
	collecting                 // or be blocked by the garbage collector
	stuck                      // one is not blocked so, as it waits for a mutex
	moving                     // or for something else, or it runs
)

// progressOf reads a dump. The goroutine that has made it, which comes first,
// does not count.
func progressOf(dump, bubble string) progress {
	now := allBlocked
	_, others, _ := strings.Cut(dump, "\n\n")
	for text := range strings.SplitSeq(others, "\n\n") {
		header, _, _ := strings.Cut(text, "\n")
		header, _, _ = strings.Cut(header, " labels:{")
		switch state, number := parseHeader(header); {
		case number == "" && (state == "runnable" || state == "running"):
			now = max(now, running)
		case number == "" && (state == "semacquire" || movingState.MatchString(state)):
			now = max(now, collecting)
		case number != bubble, strings.Contains(header, " (durable)"):
		case isMutexWait(state):
			now = max(now, stuck)
		default:
			return moving
		}
	}
	return now
}

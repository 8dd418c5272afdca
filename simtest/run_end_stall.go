package simtest

import (
	"runtime"
	"strings"
	"time"
)

// A goroutine that is woken by an ending, when its host crashes or the simulation ends,
// may then wait for a mutex whose holder waits for the next ending. On a real
// machine both continue. Here the loop waits for all goroutines to block, and since
// testing/synctest considers a goroutine that waits for a mutex running, the loop would
// wait forever. So during endings another goroutine, watchStall, watches until all
// goroutines are blocked. If it finds everything stuck, it does the loop's next step;
// otherwise it changes nothing.

// Limits on the stack dumps of a simulation, in bytes. Each goroutine in a dump, other
// simulations' goroutines included, takes about 700 bytes and 5 microseconds.
const (
	stallBudget     = 1 << 20  // for the reaction of programs to the end of their contexts
	stallStepBudget = 64 << 10 // for the consequences of each ending
)

// maxStallGoroutines is the number of goroutines in the process above which no dump is
// made, since it would take too long.
const maxStallGoroutines = 1500

// enoughStalled is the number of consecutive looks that must find everything stuck: a
// goroutine outside the simulation may also hold a mutex for a while.
const enoughStalled = 20

// mayStallLocked is called when an ending wakes a goroutine while there are more
// endings.
func (s *Sim) mayStallLocked(budget int) {
	if s.nap == nil || s.stallWatched || s.stallCost >= budget || s.closed && len(s.ends) <= 1 {
		return
	}
	if runtime.NumGoroutine() <= maxStallGoroutines {
		s.stallWatched = true
		go runUnlisted(s.watchStall)
	}
}

// The number of consecutive looks that wait for a goroutine that seems to be outside
// any bubble: the simulation's goroutines look that way while they assist the garbage
// collector.
const (
	enoughCollecting = 20 // for a goroutine that assists, or may assist
	enoughRunning    = 3  // for a running goroutine, usually not of the simulation
)

// watchStall looks for a stall until every goroutine is blocked, or nothing is left to
// end.
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
		s.turns.Add(1) // keeps the watchdog from looking
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
			// The stall is certain now, so one more look is enough.
			nap, stalled, doubts, s.stallCost = shortest, enoughStalled-1, 0, 0
		}
	}
}

// dump returns the stacks of all goroutines, as dumpAll does, but uses little memory if
// there are few.
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

// goOnStalled does the loop's next step. If nothing is left to happen at this instant
// and the simulation is ending, the network closes: time does not advance. It returns
// false if nothing is left at all.
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
	allBlocked progress = iota // every goroutine is durably blocked in the sense of testing/synctest
	running                    // seemingly all blocked, but a goroutine may be running
	collecting                 // seemingly all blocked, but the garbage collector may be delaying a goroutine
	stuck                      // a goroutine waits for a mutex
	moving                     // a goroutine waits for something else, or runs
)

// progressOf parses a dump. The goroutine that made it, which comes first, does not
// count.
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
		case number != bubble, isDurable(header):
		case isMutexWait(state):
			now = max(now, stuck)
		default:
			return moving
		}
	}
	return now
}

package simtest

import (
	"fmt"
	"strings"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// The loop is the network: it delivers everything. It waits until every goroutine is
// blocked, sends what was posted in the meantime, in order, dispatches the next event
// that is due, and starts over. When there is nothing left to do, it sleeps.
//
// It runs in two goroutines, one at a time: in that of loop if wakeLoopLocked has woken
// it, and in that of loopOnAlarm if its alarm has. Each waits for a single channel, which
// costs much less than a select of both.

// startLoop starts the loop. Its goroutines run inside in.
func (s *Sim) startLoop(in func(f func())) {
	go in(s.loop)
	go in(s.loopOnAlarm)
}

func (s *Sim) loop() {
	defer close(s.stopped)
	defer time.AfterFunc(s.clockEnds()-s.now(), s.readClock).Stop()
	if s.limit > 0 {
		defer time.AfterFunc(s.limit-s.now(), s.readClock).Stop()
	}
	for s.runLoop() {
		<-s.wake
		if s.loopOver { // it has ended in loopOnAlarm
			break
		}
	}
	s.alarm.Reset(1) // ends loopOnAlarm; not to now, see runLoop
}

func (s *Sim) loopOnAlarm() {
	for {
		<-s.alarm.C
		s.mu.Lock()
		s.alarmAt = endOfTime // the alarm is no longer set, or at worst, in real time, is not stopped when it could be
		wasAsleep, over := s.asleep, s.loopOver
		s.asleep = false
		s.mu.Unlock()
		if wasAsleep && !s.runLoop() {
			s.wake <- struct{}{}
			return
		}
		if over {
			return
		}
	}
}

// runLoop runs the loop until it sleeps. It returns false if the simulation is over.
func (s *Sim) runLoop() bool {
	for woken := true; ; woken = false {
		s.turns.Add(1)
		s.settle()
		s.mu.Lock()
		// In a bubble, time has not advanced since the last turn, unless a function that gets
		// the events has waited.
		if woken || s.nap == nil || s.trace.passedOn {
			s.instant = s.now()
		}
		s.noteFailureLocked(s.instant, false)
		s.sendDeferredLocked(s.instant)
		if !s.catchUpLocked(s.instant) {
			s.unlock()
			continue
		}
		s.collectLocked()
		if s.closing || s.closed {
			s.closed, s.loopOver = true, true
			s.unlock()
			s.closeAll()
			return false
		}
		if len(s.posted) > 0 { // calls of Write have continued
			s.unlock()
			continue
		}
		if s.stepLocked() && s.hasMoreLocked() {
			s.unlock()
			continue
		}
		at, ok := s.nextTimeLocked()
		switch {
		case ok && at <= s.instant: // Go 1.25 locks up when a timer that another goroutine waits for is reset to now
			s.unlock()
			continue
		case ok:
			s.alarm.Reset(at - s.instant)
			s.alarmAt = at
		case s.alarmAt != endOfTime:
			s.alarm.Stop()
			s.alarmAt = endOfTime
		}
		s.asleep = true
		s.unlock()
		return true
	}
}

// stepLocked performs the next step of this instant. It returns false if there is none.
func (s *Sim) stepLocked() bool {
	now := s.instant
	switch {
	case s.isDueLocked():
		for more := true; more; more = s.catchUpLocked(now) && s.isDueLocked() {
			var e event
			s.nextLocked(&e)
			s.woken = e.what != segmentsArriving && e.what != goingOn
			s.dispatchLocked(&e)
			s.countLocked(now, 1)
			if s.woken {
				break
			}
		}
	case len(s.windowUpdates) > 0:
		s.sendWindowUpdatesLocked()
	case len(s.released) > 0:
		s.releaseAllLocked(s.released)
		s.released = nil
	case len(s.controls) > 0:
		s.controlAllLocked()
		s.countLocked(now, 10)
	case s.chaos.isDue():
		s.stepChaosLocked()
		s.countLocked(now, 10)
	case len(s.settling) > 0:
		s.releaseAllLocked(s.settling)
		s.settling = nil
		s.countLocked(now, 10)
	case s.limit > 0 && now >= s.limit:
		s.expireLocked(s.limitIs)
	case now >= s.clockEnds() && s.waitsForTimeLocked():
		s.expireLocked("the clock has reached its end")
	default:
		return false
	}
	return true
}

// hasMoreLocked reports whether there is more to do at this instant, as far as is known
// before every goroutine is blocked again. Anything that is added until then wakes the
// loop.
func (s *Sim) hasMoreLocked() bool {
	if at, ok := s.nextTimeLocked(); ok && at <= s.instant {
		return true
	}
	return len(s.posted) > 0 || len(s.windowUpdates) > 0 || len(s.released) > 0 || len(s.controls) > 0 ||
		s.chaos.isDue() || len(s.settling) > 0 || s.closing || s.closed || s.limit > 0 && s.instant >= s.limit
}

// isDueLocked reports whether the next event is due.
func (s *Sim) isDueLocked() bool {
	at, ok := s.nextEventLocked()
	return ok && at <= s.instant
}

// wakeLoopLocked wakes the loop if it sleeps, because there is something for it to do.
func (s *Sim) wakeLoopLocked() {
	if s.asleep {
		s.asleep = false
		s.wake <- struct{}{}
	}
}

// readClock updates the loop's instant.
func (s *Sim) readClock() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wakeLoopLocked()
}

// maxAtOnce is the maximum number of events at one instant: a program that exceeds it
// loops without letting time pass.
var maxAtOnce = 10_000_000 // a variable for tests

// countLocked counts an event n times: more often if goroutines of the simulation wait
// for it than if it only concerns the network.
func (s *Sim) countLocked(now time.Duration, n int) {
	if s.lastAt != now {
		s.lastAt, s.atOnce = now, 0
	}
	if s.atOnce += n; s.atOnce >= maxAtOnce {
		s.tooManyAtOnceLocked()
	}
}

func (s *Sim) tooManyAtOnceLocked() {
	if !s.closed {
		s.expireLocked(fmt.Sprintf("%d events have happened at this instant, and time does not advance", maxAtOnce))
	}
}

// Settle waits until nothing is left to happen at this instant: every goroutine is
// blocked, and the network has delivered everything due by now. It replaces
// synctest.Wait, which must not be called in a simulation.
func (s *Sim) Settle() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		afterTheEnd()
		return
	}
	settled := make(chan struct{})
	s.settling = append(s.settling, settled)
	s.wakeLoopLocked()
	s.mu.Unlock()
	<-settled
}

// now returns the simulated time.
func (s *Sim) now() time.Duration {
	if s.nap == nil {
		return time.Since(s.origin)
	}
	return time.Duration(time.Now().UnixNano() - s.originNano) // the same in a bubble, and faster
}

// lastMoment is the latest time of a simulation. A bubble's clock counts nanoseconds
// since 1970 and ends in 2262; the end of a simulation takes some time, too.
var lastMoment = time.Date(2262, time.January, 1, 0, 0, 0, 0, time.UTC)

// clockEnds returns the simulated time of the last moment.
func (s *Sim) clockEnds() time.Duration { return lastMoment.Sub(s.origin) }

// waitsForTimeLocked reports whether anything waits for time. If not, everything is
// blocked forever, and the runtime reports that.
func (s *Sim) waitsForTimeLocked() bool {
	_, ok := s.nextTimeLocked()
	return ok || strings.Contains(s.running(), " in sleep: ")
}

// endOfTime is later than any event.
const endOfTime = timeline.End

package simtest

import (
	"math"
	"net"
	"time"
)

// whenAllBlocked makes the loop call do when every goroutine is blocked, before
// anything else happens on the network, and waits for that. When the simulation
// has ended it returns at once, and do is not called.
func (s *Sim) whenAllBlocked(do func()) {
	s.mu.Lock()
	if s.closed {
		s.unlock()
		return
	}
	done := make(chan struct{})
	s.postLocked(action{key: key{host: math.MaxInt}, do: func() {
		do()
		close(done)
	}})
	s.unlock()
	<-done
}

// endPrograms ends the contexts of programs one after another, in an order that is the
// same in every run, and returns when all programs have returned, or after grace.
// Meanwhile the network is up, and there is no time limit.
func (s *Sim) endPrograms(grace time.Duration) {
	returned := make(chan struct{})
	s.whenAllBlocked(func() {
		s.ending = true
		s.limit = 0 // grace is a limit itself
		s.stopProgramsLocked()
		s.returned = returned
		s.noteReturnsLocked()
	})
	if grace == 0 {
		return
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-returned:
	case <-timer.C:
	case <-s.stopped:
	}
}

// stopProgramsLocked ends the contexts of programs in events of this instant.
func (s *Sim) stopProgramsLocked() {
	for _, h := range s.ordered {
		h.stopProgramsLocked(ErrEnded)
	}
}

// close ends the simulation when every goroutine is blocked: it makes the loop close
// every listener, dial and connection, and waits for that. Calls of the network from
// then on fail with net.ErrClosed.
func (s *Sim) close() {
	s.mu.Lock()
	s.closing = true
	s.wakeLoopLocked()
	s.unlock()
	<-s.stopped
}

// closeAll is the last thing that the loop does. The contexts of programs end, and
// everything open is closed, one by one, in an order that is the same in every run, and
// without notifying peers, which are closed themselves.
func (s *Sim) closeAll() {
	s.mu.Lock()
	s.startClosingLocked()
	s.unlock()
	for {
		s.mu.Lock()
		more := s.endNextLocked()
		s.unlock()
		if !more {
			return
		}
		s.settle()
	}
}

// startClosingLocked closes the network to new calls, and collects the endings.
func (s *Sim) startClosingLocked() {
	if s.ends != nil {
		return
	}
	s.closed = true
	s.recordQuietLocked()
	for _, h := range s.ordered {
		h.paused, h.catchingUp, h.parked = false, false, nil
		for _, l := range h.lifetimesLocked() {
			s.ends = append(s.ends, l.ending(ErrEnded))
		}
	}
	for _, h := range s.ordered {
		for _, d := range h.dialsLocked() {
			s.ends = append(s.ends, ending{func() { d.answerLocked(net.ErrClosed) }, d.isWaitedForLocked})
		}
		s.ends = append(s.ends, h.endsLocked()...)
	}
	waiting := append(s.settling, s.released...)
	waiting = append(waiting, s.leaveQuietLocked()...)
	for _, c := range s.controls {
		waiting = append(waiting, c.done)
	}
	s.settling, s.released, s.controls, s.queue, s.inner = nil, nil, nil, queue{}, queue{}
	s.ties.due = queue{}
	s.ends = append(s.ends, ending{func() { s.releaseAllLocked(waiting) }, func() bool { return false }})
}

// endNextLocked performs the next ending, if there is one, and reports whether there
// are more.
func (s *Sim) endNextLocked() (more bool) {
	if len(s.ends) == 0 {
		return false
	}
	next := s.ends[0]
	s.ends = s.ends[1:]
	s.endLocked(next, stallStepBudget)
	return len(s.ends) > 0
}

// endLocked performs an ending, and watches for a stall if it wakes a goroutine.
func (s *Sim) endLocked(e ending, budget int) {
	if e.wakesOneLocked() {
		s.mayStallLocked(budget)
	}
	e.do()
}

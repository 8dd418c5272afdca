package slownet

import (
	"fmt"
	"math"
	"net"
	"time"

	"github.com/benbjohnson/clock"
)

// maxStall is how long Close waits for an inner connection that takes nothing
// of what has arrived, before it discards what is left.
const maxStall = 5 * time.Second

// A linger is how long Close waits for what was written. It is guarded by the
// lock of the half that writes.
type linger struct {
	of       *half
	aborter  aborter      // whose flight is to be discarded
	timer    *clock.Timer // runs while Close waits with a bound
	landings int32        // counts what the inner connection has taken
	seconds  int32        // as in SetLinger
	aborted  bool         // what is in flight is to be discarded
	drained  bool         // Close has done all
}

// An aborter discards what is in flight.
type aborter interface{ abortLocked() }

// finish waits until the end of the stream has arrived, behind all that was
// written, and then calls end, which ends it in the inner connection. As on a
// socket, the deadline matters only if there is something to wait for.
func (s *sender) finish(end func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.isTakenLocked() || s.halfDone > 0 {
		if err := s.waitToFinishLocked(never); err != nil {
			return err
		}
	}
	s.busy = true
	defer s.releaseTurnLocked()
	for at := s.flow.Send(s.now(), 0).Arrive; s.background || s.stalled || at > s.now(); {
		until := at
		if s.background || s.stalled {
			until = never
		}
		if err := s.waitToFinishLocked(until); err != nil {
			return err
		}
	}
	switch {
	case s.closed:
		return net.ErrClosed
	case s.err != nil:
		return s.err
	case s.finished:
		return nil
	}
	_, err := s.directly(func([]byte) (int, error) { return 0, end() }, nil)
	s.finished = err == nil
	return err
}

// waitToFinishLocked waits for something to change, or until a time.
func (s *sender) waitToFinishLocked(until time.Duration) error {
	if err := s.checkLocked(); err != nil {
		return err
	}
	s.gate.shut() // so that whoever is within wakes us when he leaves
	s.waitLocked(&s.changed, until)
	return nil
}

// close makes blocked and later writes fail.
func (s *sender) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeLocked()
	s.linger.beginLocked()
}

// drain waits, when the half is closed, until all that was accepted has
// arrived, or the inner connection takes no more. If something was discarded
// it has the inner connection reset, so that the peer does not take what came
// for the whole, and returns an error unless that was wished.
func (s *sender) drain() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.passed == 0 && s.flow.Free() > s.now() // by Listener.Delay, and there is nothing to wait for
	end := s.flow.Send(s.now(), 0).Arrive
	for !held && !s.stalled && s.err == nil && !s.aborted && end > s.now() {
		s.waitLocked(&s.changed, end) // for the end of the stream to arrive
	}
	for s.background && !s.aborted {
		due := max(s.now(), s.flow.Free())
		if last := len(s.flight) - 1; last >= 0 {
			due = max(due, s.flight[last].arrive)
		}
		s.linger.awaitLandingLocked(due)
	}
	s.linger.stopLocked()
	if s.lost == 0 {
		return nil
	}
	s.conn.makeCloseReset()
	if s.linger.seconds == 0 {
		return nil
	}
	return fmt.Errorf("slownet: close: the last %d bytes that were written were discarded", s.lost)
}

// abortLocked discards what is in flight and wakes the carrier.
func (s *sender) abortLocked() {
	if s.aborted {
		return
	}
	s.aborted = true
	s.lost = int(s.passed-s.delivered) + len(s.waiting)
	s.recalled = s.background
	s.interruptLocked()
}

// awaitLandingLocked waits for something in flight to land that is due at the
// given time, and discards all of it if that takes too long.
func (l *linger) awaitLandingLocked(due time.Duration) {
	h, landings, until := l.of, l.landings, later(max(l.of.now(), due), maxStall)
	for h.background && !l.aborted && l.landings == landings {
		if h.now() >= until {
			l.aborter.abortLocked()
			return
		}
		h.waitLocked(&h.changed, until)
	}
}

// set bounds the wait, also while it lasts.
func (l *linger) set(seconds int) {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	l.seconds = int32(max(-1, min(seconds, math.MaxInt32)))
	if l.of.closed && !l.drained {
		l.beginLocked()
	}
}

// beginLocked makes the bound hold.
func (l *linger) beginLocked() {
	l.stopLocked()
	switch {
	case l.seconds == 0:
		l.aborter.abortLocked()
	case l.seconds > 0:
		l.timer = l.of.endpoint.clock.AfterFunc(time.Duration(l.seconds)*time.Second, func() {
			l.of.mu.Lock()
			defer l.of.mu.Unlock()
			l.aborter.abortLocked()
		})
	}
}

// stopLocked takes the bound away.
func (l *linger) stopLocked() {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
}

// setDrained wakes those who wait for Close.
func (l *linger) setDrained() {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	l.drained = true
	l.of.changed.wake()
}

// awaitDrained waits until Close has done all.
func (l *linger) awaitDrained() {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	for !l.drained {
		l.of.waitLocked(&l.of.changed, never)
	}
}

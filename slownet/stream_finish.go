package slownet

import (
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// An ending is the state of the end of the written stream, which crosses the link
// after all bytes.
type ending uint8

const (
	endNone     ending = iota
	endQueued          // it has not entered the link
	endOnItsWay        // its arrival time is known
	endArrived         // it has reached the inner connection
)

// finish ends the stream after all written bytes. Blocked and later writes fail at
// once; the inner connection's stream ends when the end has crossed the link.
func (s *sender) finish() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return net.ErrClosed
	case s.conn.in.reset.hasArrived():
		return errno("shutdown", syscall.ENOTCONN)
	case s.err != nil:
		return s.err
	case s.finished:
		return nil
	}
	s.finished, s.end = true, endQueued
	s.sendEndLocked()
	if !s.background && s.end == endOnItsWay && s.endAt <= s.now() {
		err := s.deliverEndLocked()
		s.finished = err == nil
		return err
	}
	s.interruptLocked()
	if !s.background {
		s.beginWorkLocked(s.deliver)
	}
	return nil
}

// sendEndLocked sends the end of the stream, if nothing remains before it.
func (s *sender) sendEndLocked() {
	if s.end == endQueued && !s.stalled && s.startTCPLocked() && !s.tcp.isEnding() {
		s.tcp.finish(s.now())
		s.tcp.advance(s.now()) // on a link without delay the end arrives at once
		s.end, s.endAt = endOnItsWay, timeline.End
	}
	if s.end == endOnItsWay && s.tcp != nil && s.endAt == timeline.End && s.tcp.Ended() && !s.tcp.isBusy() {
		s.endAt = s.now()
	}
	if s.end == endQueued && len(s.waiting) == 0 && !s.stalled {
		s.end, s.endAt = endOnItsWay, s.transmitEndLocked(s.flight)
	}
}

// deliverEndLocked ends the stream in the inner connection.
func (s *sender) deliverEndLocked() error {
	s.enterLocked()
	s.mu.Unlock()
	err := s.conn.inner.(halfCloser).CloseWrite()
	s.mu.Lock()
	s.exitLocked()
	s.end = endArrived
	if err != nil {
		s.end = endNone
		return err
	}
	s.traceEndLocked()
	return nil
}

// lossLocked returns an error if written bytes were discarded.
func (s *sender) lossLocked() error {
	switch {
	case s.loss == nil:
		return nil
	case s.loss.count == 1:
		return s.loss.error("the last byte that was written was discarded")
	case s.loss.count > 1:
		return s.loss.error(fmt.Sprintf("the last %d bytes that were written were discarded", s.loss.count))
	case s.finished && s.end != endArrived:
		return s.loss.error("the end of the stream was discarded")
	}
	return nil
}

// close makes blocked and later writes fail. The inner connection is closed when the
// end of the stream has arrived there; if that happens at once, close returns its
// error. unread means that there are unread received bytes, so the peer must see a
// reset.
func (s *sender) close(unread bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end == endNone || unread && s.end == endArrived {
		s.end = endQueued // even if it is a reset
	}
	s.sendEndLocked()
	s.resets = s.resets || unread && !s.hungUp
	return s.beginLocked(s.err == nil && (s.end == endQueued || s.end == endOnItsWay && s.endAt > s.now()))
}

// closeInner closes the inner connection.
func (s *sender) closeInner(reset bool) error { return s.conn.closeInner(reset) }

// forget tells the connection's owners that it is drained.
func (s *sender) forget() {
	s.conn.owners.forget(s.conn)
}

// hasMoreLocked reports whether bytes were written that have not arrived.
func (s *sender) hasMoreLocked() bool { return s.passed+int64(len(s.waiting)) > s.delivered }

// nextLocked returns the time of the next event, which may be in the past.
func (s *sender) nextLocked() time.Duration {
	isEndAlone := s.end == endOnItsWay && s.endAt != timeline.End
	switch {
	case s.tcp != nil && len(s.flight) == 0 && !isEndAlone:
		return s.nextTCPLocked()
	case len(s.flight) > 0 && len(s.waiting) > 0:
		return min(s.nextArrivalLocked(&s.flight[0]), s.flow.Free())
	case len(s.flight) > 0:
		return s.nextArrivalLocked(&s.flight[0])
	case len(s.waiting) > 0:
		return s.flow.Free()
	case s.end == endOnItsWay:
		return s.endAt
	}
	return 0
}

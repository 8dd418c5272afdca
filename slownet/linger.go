package slownet

import (
	"fmt"
	"time"
)

// maxStall is how long Close waits for an inner connection that takes nothing
// of what has arrived, before it discards what is left.
const maxStall = 5 * time.Second

// finish waits until the end of the stream has arrived, behind all that was
// written, and then calls end, which ends it in the inner connection.
func (s *sender) finish(d *deadline, end func() error) error {
	if err := s.takeTurn(d); err != nil {
		return err
	}
	defer func() { s.turn <- struct{}{} }()
	if err := s.check(d); err != nil {
		return err
	}
	s.mu.Lock()
	carrier := s.carrier
	wait := s.flow.Send(s.now(), 0).Arrive - s.now()
	finished := s.finished
	s.mu.Unlock()
	if finished {
		return nil
	}
	timer := s.clock.Timer(max(wait, 0))
	defer timer.Stop()
	if err := await(s, timer.C, d); err != nil {
		return err
	}
	if carrier != nil {
		if err := await(s, carrier, d); err != nil {
			return err
		}
	}
	if err := s.check(d); err != nil {
		return err
	}
	if err := end(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finished = true
	return nil
}

// refuse makes blocked and later writes fail.
func (s *sender) refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.closed)
	s.lingerLocked()
}

// drain waits, after refuse and when the write deadline is closed, until all
// that was accepted has arrived, or the inner connection takes no more. If
// something was discarded it has the inner connection reset, so that the peer
// does not take what came for the whole, and returns an error unless that was
// wished.
func (s *sender) drain() (lost error) {
	<-s.turn // whoever was writing has given up
	s.mu.Lock()
	carrier := s.carrier
	end := s.flow.Send(s.now(), 0).Arrive - s.now()
	s.mu.Unlock()
	_ = s.sleep(end)
	for carrier != nil {
		carrier = s.awaitLanding(carrier)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lingerEnd != nil {
		s.lingerEnd.Stop()
	}
	if s.lost == 0 {
		return nil
	}
	if inner, ok := s.inner.(interface{ SetLinger(int) error }); ok {
		_ = inner.SetLinger(0)
	}
	if s.linger == 0 {
		return nil
	}
	return fmt.Errorf("slownet: close: the last %d bytes that were written were discarded", s.lost)
}

// awaitLanding waits for the next piece in flight to land, and discards all
// that is left if that takes too long. It returns nil when the carrier has
// ended.
func (s *sender) awaitLanding(carrier chan struct{}) chan struct{} {
	s.mu.Lock()
	landed := s.landed
	s.mu.Unlock()
	stalled := s.clock.Timer(maxStall)
	defer stalled.Stop()
	select {
	case <-carrier:
		return nil
	case <-landed:
	case <-stalled.C:
		s.mu.Lock()
		s.abortLocked()
		s.mu.Unlock()
		<-carrier
		return nil
	}
	return carrier
}

// setLinger bounds the wait of drain, also while it waits.
func (s *sender) setLinger(seconds int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.linger = seconds
	if s.isClosed() {
		s.lingerLocked()
	}
}

// lingerLocked makes the bound on drain's wait hold.
func (s *sender) lingerLocked() {
	if s.lingerEnd != nil {
		s.lingerEnd.Stop()
		s.lingerEnd = nil
	}
	switch {
	case s.linger == 0:
		s.abortLocked()
	case s.linger > 0:
		s.lingerEnd = s.clock.AfterFunc(time.Duration(s.linger)*time.Second, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.abortLocked()
		})
	}
}

// abortLocked discards what is in flight and wakes the carrier.
func (s *sender) abortLocked() {
	select {
	case <-s.aborted:
	default:
		close(s.aborted)
		s.lost = s.flightSize
		_ = s.inner.SetWriteDeadline(longAgo)
	}
}

func (s *sender) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

package slownet

import (
	"net"
	"time"
)

// flying is a piece in flight.
type flying struct {
	data   []byte
	arrive time.Duration
}

// carry is the carrier: it hands on what is in flight, each piece when it
// arrives.
func (s *sender) carry(done chan struct{}) {
	defer close(done)
	for {
		s.mu.Lock()
		if len(s.flight) == 0 {
			s.carrier, s.flight = nil, nil
			s.mu.Unlock()
			return
		}
		piece := s.flight[0]
		wait := piece.arrive - s.now()
		s.mu.Unlock()

		err := s.sleep(wait)
		if err == nil {
			_, err = s.inner.Write(piece.data)
		}

		s.mu.Lock()
		s.flight = s.flight[1:]
		s.flightSize -= len(piece.data)
		if err != nil {
			s.err, s.flight, s.flightSize = err, nil, 0
		}
		close(s.landed)
		s.landed = make(chan struct{})
		s.mu.Unlock()
	}
}

// sleep waits for d to pass, or for the abort.
func (s *sender) sleep(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := s.clock.Timer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-s.aborted:
		return net.ErrClosed
	}
}

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
		for left := piece.data; err == nil && len(left) > 0; {
			var n int
			n, err = s.inner.Write(left[:min(len(left), chunk)])
			left = left[n:]
			s.land()
		}

		s.mu.Lock()
		s.flight = s.flight[1:]
		s.flightSize -= len(piece.data)
		if err != nil {
			s.err, s.flight, s.flightSize = err, nil, 0
		}
		s.mu.Unlock()
		s.land() // once more, for writers who wait for room: there is some only now
	}
}

// chunk is how much of a piece the inner connection is handed at a time: in
// larger ones it would not show that it still takes something.
const chunk = 64 << 10

// land tells those who wait for it that something has landed.
func (s *sender) land() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.landed)
	s.landed = make(chan struct{})
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

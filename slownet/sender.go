package slownet

import (
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/benbjohnson/clock"
)

// maxFlight is how many bytes may be on their way at a time; a writer that is
// so far ahead waits.
const maxFlight = 16 << 20

// maxLate is how late a timer may fire and be made up for. Beyond it, the
// process or the machine was asleep, and so was the link.
const maxLate = 100 * time.Millisecond

// A sender takes what is written to a connection over its link. Where bytes
// arrive as they leave, the writer itself hands them on. Else they wait in
// flight, and one goroutine, the carrier, hands them on and ends when none is
// left.
type sender struct {
	inner  net.Conn
	clock  clock.Clock
	origin time.Time // the flow's
	direct bool      // bytes arrive as they leave

	turn    chan struct{} // holds a token while nobody writes: writers take turns
	closed  chan struct{} // closed by refuse: nothing more is accepted
	aborted chan struct{} // closed when what is in flight is to be discarded, at once
	drained chan struct{} // closed when nothing is in flight after Close

	mu         sync.Mutex    // guards what follows
	flow       *Flow         // the writer that has the turn asks it
	flight     []flying      // in order of arrival
	flightSize int           // bytes
	carrier    chan struct{} // closed by the carrier when it ends; nil while there is none
	landed     chan struct{} // closed and replaced each time the inner connection has taken something
	finished   bool          // the stream has been ended
	err        error         // what the carrier met
	lost       int           // bytes that were in flight when they were discarded
	linger     int           // as in SetLinger
	lingerEnd  *clock.Timer  // runs while close waits with a bound
}

func newSender(inner net.Conn, c clock.Clock, link Link) *sender {
	s := &sender{
		inner:   inner,
		clock:   c,
		origin:  c.Now(),
		direct:  link.Latency == 0 && link.Rate == 0,
		turn:    make(chan struct{}, 1),
		closed:  make(chan struct{}),
		aborted: make(chan struct{}),
		drained: make(chan struct{}),
		flow:    NewFlow(link),
		landed:  make(chan struct{}),
		linger:  -1,
	}
	s.turn <- struct{}{}
	return s
}

// now is the time since the flow's origin.
func (s *sender) now() time.Duration { return s.clock.Since(s.origin) }

// write sends p piece by piece and returns how many bytes have entered the
// link.
func (s *sender) write(p []byte, d *deadline) (n int, err error) {
	if err := s.takeTurn(d); err != nil {
		return 0, err
	}
	defer func() { s.turn <- struct{}{} }()
	s.mu.Lock()
	finished := s.finished
	s.mu.Unlock()
	if finished {
		return 0, os.NewSyscallError("write", syscall.EPIPE)
	}
	for len(p) > 0 {
		at, err := s.waitUntilFree(d)
		if err != nil {
			s.mu.Lock()
			s.flow.Break()
			s.mu.Unlock()
			return n, err
		}
		sent, err := s.send(at, p)
		n += sent
		if err != nil {
			return n, err
		}
		p = p[sent:]
	}
	return n, nil
}

// takeTurn waits until no other goroutine is writing.
func (s *sender) takeTurn(d *deadline) error {
	if err := s.check(d); err != nil {
		return err
	}
	return await(s, s.turn, d)
}

// await receives from c, unless the sender is closed or the deadline passes.
func await[T any](s *sender, c <-chan T, d *deadline) error {
	select {
	case <-c:
		return nil
	case <-s.closed:
		return net.ErrClosed
	case <-d.done():
		if s.isClosed() {
			return net.ErrClosed // Close ends the deadline as well
		}
		return os.ErrDeadlineExceeded
	}
}

// check returns what stands in the way of a write before it begins.
func (s *sender) check(d *deadline) error {
	select {
	case <-s.closed:
		return net.ErrClosed
	default:
	}
	if d.hasPassed() {
		return os.ErrDeadlineExceeded
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// waitUntilFree waits until the link takes the next piece, and returns when that
// is. A timer that fires late is made up for: were each piece sent when the
// timer before it has fired at last, the delays would add up.
// The caller has the turn.
func (s *sender) waitUntilFree(d *deadline) (time.Duration, error) {
	waited := false
	for {
		if err := s.check(d); err != nil {
			return 0, err
		}
		s.mu.Lock()
		free, now, full, landed := s.flow.Free(), s.now(), s.flightSize >= maxFlight, s.landed
		s.mu.Unlock()
		switch {
		case full:
			if err := await(s, landed, d); err != nil {
				return 0, err
			}
			waited = false
		case free > now:
			timer := s.clock.Timer(free - now)
			err := await(s, timer.C, d)
			timer.Stop()
			if err != nil {
				return 0, err
			}
			waited = true
		case waited && now-free < maxLate:
			return free, nil
		default:
			return now, nil
		}
	}
}

// send puts the first piece of p on its way at the given time and returns how
// long it is. The caller has the turn.
func (s *sender) send(at time.Duration, p []byte) (int, error) {
	s.mu.Lock()
	piece := s.flow.Send(at, len(p))
	if s.direct {
		s.mu.Unlock()
		n, err := s.inner.Write(p[:piece.Bytes])
		if err != nil && s.isClosed() {
			err = net.ErrClosed
		}
		return n, err
	}
	s.flight = append(s.flight, flying{append([]byte(nil), p[:piece.Bytes]...), piece.Arrive})
	s.flightSize += piece.Bytes
	if s.carrier == nil {
		s.carrier = make(chan struct{})
		go s.carry(s.carrier)
	}
	s.mu.Unlock()
	return piece.Bytes, nil
}

package slownet

import (
	"net"
	"os"
	"sync"
	"time"

	"github.com/benbjohnson/clock"
)

// maxFlight is how many bytes may be on their way at a time; a writer that is
// so far ahead waits.
const maxFlight = 16 << 20

// maxStall is how long Close waits for an inner connection that does not take a
// piece which has arrived, before it discards what is left.
const maxStall = time.Second

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
	closed  chan struct{} // closed by close: nothing more is accepted
	aborted chan struct{} // closed when what is in flight is to be discarded
	drained chan struct{} // closed when nothing is in flight after close

	mu         sync.Mutex    // guards what follows
	flow       *Flow         // the writer that has the turn asks it
	flight     []flying      // in order of arrival
	flightSize int           // bytes
	carrier    chan struct{} // closed by the carrier when it ends; nil while there is none
	landed     chan struct{} // closed and replaced each time a piece has landed
	err        error         // what the carrier met
	linger     int           // as in SetLinger
	lingerEnd  *clock.Timer  // runs while close waits with a bound
}

// flying is a piece in flight.
type flying struct {
	data   []byte
	arrive time.Duration
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
	for len(p) > 0 {
		at, err := s.waitUntilFree(d)
		if err != nil {
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
	select {
	case <-d.done():
		return os.ErrDeadlineExceeded
	default:
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

// finish waits until the end of the stream has arrived, behind all that was
// written.
func (s *sender) finish(d *deadline) error {
	if err := s.takeTurn(d); err != nil {
		return err
	}
	defer func() { s.turn <- struct{}{} }()
	s.mu.Lock()
	carrier := s.carrier
	wait := s.flow.Send(s.now(), 0).Arrive - s.now()
	s.mu.Unlock()

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
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// close makes blocked and later writes fail. When it returns, all that was
// accepted has arrived or was discarded.
func (s *sender) close() {
	s.mu.Lock()
	first := !s.isClosed()
	if first {
		close(s.closed)
		s.lingerLocked()
		if s.direct {
			_ = s.inner.SetWriteDeadline(longAgo) // wakes the writer
		}
	}
	s.mu.Unlock()
	if first {
		s.drain()
		close(s.drained)
	}
	<-s.drained
}

// drain is what the first close waits for: that all which was accepted has
// arrived, or that the inner connection takes no more.
func (s *sender) drain() {
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

package slownet

import (
	"fmt"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A packetSender carries datagrams over their link to the inner connection. The
// writer itself sends a datagram that arrives at once. The others are in flight: one
// goroutine, the delivery goroutine, sends them and ends when none is left.
type packetSender struct {
	packetHalf
	linger
	held     []datagram // held up by a stall; they have not entered the link
	heldSize int        // bytes
}

// write sends a datagram, or several that were written by one call.
func (s *packetSender) write(d datagram) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.takeTurnLocked(); err != nil {
		return err
	}
	defer func() { s.endTurnLocked(s.isPlainLocked()) }()
	if err := s.conn.takePending(Write); err != nil {
		return err
	}
	for d := range d.segments(sentSegments) {
		if err := s.acceptLocked(d); err != nil {
			return err
		}
	}
	return nil
}

// acceptLocked sends one datagram.
func (s *packetSender) acceptLocked(d datagram) error {
	d.number = s.count
	s.count++
	if s.endpoint.trace != nil {
		d.accepted = s.now()
	}
	s.traceLocked(trace.Send, d, 0, "")
	switch {
	case s.stalled || len(s.held) > 0:
		s.holdLocked(d)
	case s.flight.size+d.size() > maxFlight:
		s.traceLocked(trace.Drop, d, 0, netem.DroppedByQueue.String())
	default:
		return s.transmitLocked(d)
	}
	return nil
}

// holdLocked keeps a datagram until the stall ends, if the queue has room for it.
func (s *packetSender) holdLocked(d datagram) {
	memory := s.heldSize + len(s.held)*packetOverhead
	isFull := !s.link.Queue.Holds(len(s.held)+1, s.heldSize+len(d.data))
	if len(s.held) > 0 && isFull || memory+d.size() > maxFlight {
		s.traceLocked(trace.Drop, d, 0, netem.DroppedByQueue.String())
		return
	}
	d = d.as(netem.Packet{Flip: -1})
	d.peer = keep(d.peer)
	s.held = append(s.held, d)
	s.heldSize += len(d.data)
	s.startLocked(s.deliver)
}

// transmitLocked sends a datagram over the link. If the datagram arrives at once,
// transmitLocked returns the inner connection's error.
func (s *packetSender) transmitLocked(d datagram) (err error) {
	var packets [2]netem.Packet
	for _, packet := range packets[:copy(packets[:], s.passLocked(d, s))] {
		if packet.Arrive <= s.now() && !s.background && err == nil {
			err = s.handOnLocked(d, packet)
			continue
		}
		s.pushLocked(d.as(packet))
	}
	if s.queued > 0 {
		s.startLocked(s.deliver)
	}
	return err
}

// pushLocked puts a datagram into flight.
func (s *packetSender) pushLocked(d datagram) {
	d.peer = keep(d.peer)
	s.flight.push(d)
	s.startLocked(s.deliver)
}

// handOnLocked sends a datagram on the writer's goroutine.
func (s *packetSender) handOnLocked(d datagram, packet netem.Packet) error {
	if packet.Flip >= 0 {
		d = d.as(packet)
	}
	sent := false
	_, err := s.directly(func(p []byte) (int, error) {
		err := s.conn.send(p, d.oob, d.peer)
		sent = err == nil
		return 0, err
	}, d.data)
	switch {
	case sent:
		s.traceLocked(trace.Data, d, 0, "")
	case err != nil:
		s.traceLocked(trace.Drop, d, 0, err.Error())
	default: // the call was interrupted
		s.pushLocked(d.as(netem.Packet{Arrive: packet.Arrive, Flip: -1}))
	}
	return err
}

// deliver is the delivery goroutine. On a closed connection, it also closes the inner
// one.
func (s *packetSender) deliver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.hasMoreLocked() {
		switch {
		case s.aborted:
			s.discardLocked()
		case s.stalled:
			if s.pauseLocked(never, s.deliver) {
				return
			}
		case len(s.held) > 0:
			s.releaseLocked()
		case s.flight.hasArrived(s.now()):
			s.deliverLocked()
		default:
			until := never
			if !s.flight.isEmpty() {
				until = s.flight.next()
			}
			if s.pauseLocked(until, s.deliver) {
				return
			}
		}
	}
	s.endWorkLocked()
	if s.closed {
		_ = s.finishLocked()
	}
}

// releaseLocked lets datagrams that were held up by a stall enter the link.
func (s *packetSender) releaseLocked() {
	for _, d := range s.held {
		_ = s.transmitLocked(d) // in the background, even a datagram that arrives at once is put into flight
	}
	s.held, s.heldSize = nil, 0
}

// deliverLocked sends the first datagram in flight.
func (s *packetSender) deliverLocked() {
	d := s.flight.pop()
	s.enterLocked()
	s.mu.Unlock()
	err := s.conn.send(d.data, d.oob, d.peer)
	if err != nil {
		s.conn.setPending(err, d.peer == nil)
	}
	s.mu.Lock()
	if err == nil {
		s.traceLocked(trace.Data, d, 0, "")
	} else {
		s.traceLocked(trace.Drop, d, 0, err.Error())
		if s.closed {
			s.loseLocked(1, err) // no later write could report it
		}
	}
	s.exitLocked()
}

// close makes blocked and later writes fail. The inner connection is closed when all
// datagrams have arrived there.
func (s *packetSender) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.beginLocked(false)
}

// closeInner closes the inner connection, once.
func (s *packetSender) closeInner(bool) error {
	if s.conn.innerClosed.Swap(true) {
		return nil
	}
	return s.conn.inner.Close()
}

// forget tells the connection's owners that it is drained.
func (s *packetSender) forget() {
	s.conn.owners.forget(s.conn)
}

func (s *packetSender) hasMoreLocked() bool {
	return len(s.held) > 0 || !s.flight.isEmpty() || s.queued > 0 && !s.aborted
}

// nextLocked returns the time of the next event, which may be in the past.
func (s *packetSender) nextLocked() time.Duration {
	if s.flight.isEmpty() {
		return 0
	}
	return s.flight.next()
}

// lossLocked returns an error if datagrams were discarded.
func (s *packetSender) lossLocked() error {
	if s.loss == nil || s.loss.count == 0 {
		return nil
	}
	if s.loss.count == 1 {
		return s.loss.error("1 datagram that was written was discarded")
	}
	return s.loss.error(fmt.Sprintf("%d datagrams that were written were discarded", s.loss.count))
}

// discardLocked discards the datagrams in flight.
func (s *packetSender) discardLocked() {
	for !s.flight.isEmpty() {
		s.held = append(s.held, s.flight.pop())
	}
	for _, d := range s.held {
		s.loss.count++
		s.traceLocked(trace.Drop, d, 0, "closed")
	}
	s.held, s.heldSize = nil, 0
}

package slownet

import (
	"cmp"
	"fmt"
)

// A packetSender takes datagrams that are sent over their link. The writer
// himself hands on what arrives at once. The rest is in flight, and one
// goroutine, the carrier, hands it on and ends when none is left.
type packetSender struct {
	packetHalf
	linger
	held     []datagram // by a stall; they have not entered the link
	heldSize int        // bytes
	lost     int        // datagrams that Close discarded
}

// write sends a datagram, or several that were written at once.
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
	s.traceLocked(Queued, d, 0, "")
	switch {
	case s.stalled || len(s.held) > 0:
		s.holdLocked(d)
	case s.flight.size+d.size() > maxFlight:
		s.traceLocked(Lost, d, 0, DroppedByQueue.String())
	default:
		return s.launchLocked(d)
	}
	return nil
}

// holdLocked keeps a datagram until the stall ends, if the queue has room.
func (s *packetSender) holdLocked(d datagram) {
	room := cmp.Or(s.flow.link.Queue, defaultQueue) - s.heldSize
	memory := s.heldSize + len(s.held)*packetOverhead
	if len(s.held) > 0 && len(d.data) > room || memory+d.size() > maxFlight {
		s.traceLocked(Lost, d, 0, DroppedByQueue.String())
		return
	}
	d = d.as(Packet{Flip: -1})
	d.peer = keep(d.peer)
	s.held = append(s.held, d)
	s.heldSize += len(d.data)
	s.startCarrierLocked()
}

// launchLocked sends a datagram over the link. It returns the error of one that
// arrives at once.
func (s *packetSender) launchLocked(d datagram) (err error) {
	var packets [2]Packet
	for _, packet := range packets[:copy(packets[:], s.passLocked(d))] {
		if packet.Arrive <= s.now() && !s.background && err == nil {
			err = s.handOnLocked(d, packet)
			continue
		}
		s.flyLocked(d.as(packet))
	}
	return err
}

// flyLocked puts a datagram into flight.
func (s *packetSender) flyLocked(d datagram) {
	d.peer = keep(d.peer)
	s.flight.push(d)
	s.startCarrierLocked()
}

// handOnLocked lets the writer himself hand a datagram on.
func (s *packetSender) handOnLocked(d datagram, packet Packet) error {
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
		s.traceLocked(Delivered, d, 0, "")
	case err != nil:
		s.traceLocked(Lost, d, 0, err.Error())
	default: // he was to come out
		s.flyLocked(d.as(Packet{Arrive: packet.Arrive, Flip: -1}))
	}
	return err
}

func (s *packetSender) startCarrierLocked() {
	if s.background {
		s.work.wake()
		return
	}
	s.workLocked(s.carry)
}

// carry is the carrier.
func (s *packetSender) carry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.held) > 0 || !s.flight.isEmpty() {
		switch {
		case s.aborted:
			s.discardLocked()
		case s.stalled:
			s.waitLocked(&s.work, never)
		case len(s.held) > 0:
			s.releaseLocked()
		case s.flight.hasArrived(s.now()):
			s.landLocked()
		default:
			s.waitLocked(&s.work, s.flight.next())
		}
	}
	s.restLocked()
}

// releaseLocked lets what a stall has held enter the link.
func (s *packetSender) releaseLocked() {
	for _, d := range s.held {
		_ = s.launchLocked(d) // in the background nothing is handed on at once
	}
	s.held, s.heldSize = nil, 0
	s.landings++
	s.changed.wake()
}

// landLocked hands the first datagram on.
func (s *packetSender) landLocked() {
	d := s.flight.pop()
	s.mu.Unlock()
	err := s.conn.send(d.data, d.oob, d.peer)
	if err != nil {
		s.conn.setPending(err, d.peer == nil)
	}
	s.mu.Lock()
	if err == nil {
		s.traceLocked(Delivered, d, 0, "")
	} else {
		s.traceLocked(Lost, d, 0, err.Error())
		if s.aborted {
			s.lost++
		}
	}
	s.landings++
	s.changed.wake()
}

// close makes blocked and later writes fail.
func (s *packetSender) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeLocked()
	s.beginLocked()
}

// drain waits, when the half is closed, until all that was accepted has
// arrived, or the inner connection takes no more.
func (s *packetSender) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.background && !s.aborted {
		due := s.now()
		if !s.flight.isEmpty() {
			due = s.flight.next()
		}
		s.awaitLandingLocked(due)
	}
	s.stopLocked()
}

// discarded returns an error if something was discarded, when the carrier has
// ended, and that was not wished.
func (s *packetSender) discarded() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost == 0 || s.seconds == 0 {
		return nil
	}
	return fmt.Errorf("slownet: close: the last %d datagrams that were written were discarded", s.lost)
}

// abortLocked discards what is in flight and wakes the carrier.
func (s *packetSender) abortLocked() {
	if s.aborted {
		return
	}
	s.aborted = true
	s.recalled = s.background
	s.interruptLocked()
}

// discardLocked throws away what is in flight.
func (s *packetSender) discardLocked() {
	for !s.flight.isEmpty() {
		s.held = append(s.held, s.flight.pop())
	}
	for _, d := range s.held {
		s.lost++
		s.traceLocked(Lost, d, 0, "closed")
	}
	s.held, s.heldSize = nil, 0
}

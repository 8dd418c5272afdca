package slownet

import (
	"cmp"
	"errors"
	"syscall"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// chunk is the largest write to the inner connection, in bytes. A larger write
// would hide that the connection still accepts bytes.
const chunk = bufferSize

// deliver is the delivery goroutine. It puts waiting bytes into flight, and writes
// bytes that have arrived to the inner connection, and at last the end of the stream.
// On a closed connection it is parked between steps, see [parked], and closes the inner
// connection.
func (s *sender) deliver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if s.tcp != nil && !s.stalled && !s.aborted {
			s.tcp.advance(s.now())
			s.changed.wake()
		}
		s.sendEndLocked()
		switch now := s.now(); {
		case s.aborted:
			s.discardLocked(nil)
			s.endDeliveryLocked()
			return
		case s.stalled && (s.hasMoreLocked() || s.end == endQueued || s.end == endOnItsWay):
			if s.pauseLocked(never, s.deliver) {
				return
			}
		case len(s.waiting) > 0 && s.flow.Free() <= now:
			s.transmitWaitingLocked()
		case len(s.flight) > 0 && s.arrivalLocked(&s.flight[0]) <= now:
			s.deliverLocked()
		case s.tcp != nil && len(s.flight) == 0 && s.tcp.failed:
			s.giveUpLocked()
		case s.tcp != nil && len(s.flight) == 0 && s.tcp.arrived() > 0:
			s.deliverTCPLocked()
		case s.tcp != nil && len(s.flight)+len(s.waiting) == 0 && (s.tcp.isBusy() || s.end == endOnItsWay && s.endAt == timeline.End):
			if s.pauseLocked(s.nextLocked(), s.deliver) {
				return
			}
		case len(s.flight)+len(s.waiting) > 0 || s.end == endOnItsWay && s.endAt > now:
			if s.pauseLocked(s.nextLocked(), s.deliver) {
				return
			}
		case s.end == endOnItsWay && !s.closed && !s.hungUp:
			if err := s.deliverEndLocked(); err != nil {
				s.failLocked(err)
			}
		default:
			s.endDeliveryLocked()
			return
		}
	}
}

// endDeliveryLocked ends the delivery goroutine's work. Nothing is left in flight.
func (s *sender) endDeliveryLocked() {
	s.flight, s.waiting, s.block = nil, nil, nil
	if s.hungUp && !s.closed {
		s.mu.Unlock()
		s.conn.endInner()
		s.mu.Lock()
	}
	s.endWorkLocked()
	if s.closed {
		if !s.resets {
			s.end = endArrived
		}
		_ = s.finishLocked()
	}
}

// transmitWaitingLocked puts the first of the waiting bytes into flight.
func (s *sender) transmitWaitingLocked() {
	n := s.transmitLocked(s.entryTimeLocked(s.since), s.waiting, false)
	s.waiting = s.waiting[n:]
	s.since = max(s.since, s.flow.Free())
	s.movedLocked()
	s.changed.wake()
}

// arrivedLocked returns the number of pieces that have arrived: as many as fit in a
// chunk, and at least one.
func (s *sender) arrivedLocked() int {
	now, size := s.now(), 0
	for i := range s.flight {
		piece := &s.flight[i]
		if size += len(piece.data); s.arrivalLocked(piece) > now || piece.failed || size > chunk {
			return max(1, i)
		}
	}
	return len(s.flight)
}

// deliverLocked writes pieces that have arrived to the inner connection, up to a chunk.
func (s *sender) deliverLocked() {
	if s.flight[0].failed {
		s.mu.Unlock()
		s.conn.breakOff(syscall.ETIMEDOUT)
		s.mu.Lock()
		return
	}
	data, pieces := s.flight[0].data, s.arrivedLocked()
	if pieces > 1 {
		buffer := getBuffer()
		defer putBuffer(buffer)
		data = buffer[:0]
		for _, piece := range s.flight[:pieces] {
			data = append(data, piece.data...)
		}
	}
	if !s.deliverAllLocked(data) {
		return
	}
	clear(s.flight[:pieces])
	s.flight = s.flight[pieces:]
	s.flightSize -= len(data)
	s.changed.wake()
}

// deliverAllLocked writes bytes to the inner connection, a chunk at a time. If a write
// fails, it discards the rest and returns false. The lock is released meanwhile.
func (s *sender) deliverAllLocked(data []byte) bool {
	var err error
	for err == nil && len(data) > 0 && !s.aborted {
		var n int
		s.enterLocked()
		s.mu.Unlock()
		n, err = s.conn.inner.Write(data[:min(len(data), chunk)])
		s.mu.Lock()
		s.traceDataLocked(data[:n])
		data = data[n:]
		s.delivered += int64(n)
		s.exitLocked()
	}
	if s.aborted || err != nil {
		s.discardLocked(err)
		return false
	}
	return true
}

// failLocked makes later writes fail with an error of the inner connection.
func (s *sender) failLocked(err error) {
	s.loseLocked(0, err)
	switch reset := &s.conn.in.reset; {
	case isReset(err):
		reset.become(resetArrived)
		s.conn.traceReset(Read, syscall.ECONNRESET)
		err = errno("write", syscall.EPIPE)
	case errors.Is(err, syscall.EPIPE) && reset.state.Load() == resetSeen:
		reset.become(resetArrived)
	}
	s.err = cmp.Or(s.err, err)
}

// discardLocked discards the bytes in flight. err is the cause, or nil.
func (s *sender) discardLocked(err error) {
	if err != nil && !s.aborted {
		s.failLocked(err)
	}
	if n := s.passed + int64(len(s.waiting)) - s.delivered; n > 0 {
		s.traceLocked(trace.Drop, s.delivered, int(n), 0, "discarded")
		s.passed += int64(len(s.waiting))
		s.delivered = s.passed
		s.loss.count += int(n)
		s.resets, s.end = true, endNone // the peer must not mistake the part that arrived for the whole
	}
	s.flight, s.waiting, s.flightSize = nil, nil, 0
	s.tcp.discard()
	s.changed.wake()
}

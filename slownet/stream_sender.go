package slownet

import (
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// maxFlight is how many bytes may be on their way at a time; who is so far
// ahead waits.
const maxFlight = 16 << 20

// A sender takes what is written to a connection over its link. Where bytes
// arrive as they leave, the writer itself hands them on. Else they wait in
// flight, and one goroutine, the carrier, hands them on and ends when none is
// left. Bytes in the link's queue are waiting: the carrier puts them into
// flight.
type sender struct {
	streamHalf
	linger
	flight     []flying      // in order of arrival
	flightSize int           // bytes
	block      []byte        // where the last piece lies
	waiting    []byte        // for the link to be free
	since      time.Duration // when they began to wait
	finished   bool          // by CloseWrite
	end        ending
	endAt      time.Duration // when the end of the stream arrives, while it is on its way
}

// write sends p piece by piece and returns how many bytes were accepted. If it
// has begun, p is the rest of what went to the inner connection itself.
func (s *sender) write(p []byte, begun bool) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	takeTurn := s.takeTurnLocked
	if begun {
		takeTurn = s.resumeTurnLocked
	}
	if err := takeTurn(); err != nil {
		return 0, err
	}
	defer s.releaseTurnLocked()
	since := s.sinceLocked()
	for n < len(p) {
		if s.isSpentLocked() || s.finished {
			return n, errno("write", syscall.EPIPE)
		}
		if since, err = s.awaitRoomLocked(since); err != nil {
			s.breakLocked()
			return n, err
		}
		accepted, err := s.acceptLocked(since, p[n:])
		if n += accepted; err != nil {
			return n, err
		}
	}
	return n, nil
}

// awaitRoomLocked waits until the next bytes are accepted, which have been
// there since the given time, or since that which it returns.
func (s *sender) awaitRoomLocked(since time.Duration) (time.Duration, error) {
	for {
		if err := s.checkLocked(); err != nil {
			return since, err
		}
		if s.finished {
			return since, errno("write", syscall.EPIPE)
		}
		ahead := s.link.Ahead()
		if !s.stalled && s.startTCPLocked() {
			s.tcp.advance(s.now())
			n, until := s.tcp.canWrite(s.now())
			if n > 0 {
				return since, nil
			}
			s.waitTCPLocked(&s.changed, until)
			continue
		}
		switch free := s.flow.Free(); {
		case s.stalled, s.flightSize+len(s.waiting) >= maxFlight,
			ahead > 0 && len(s.waiting) >= ahead,
			ahead == 0 && len(s.waiting) > 0:
			s.waitLocked(&s.changed, never)
			since = s.now()
		case ahead == 0 && free > s.now():
			s.waitLocked(&s.changed, free)
		default:
			return since, nil
		}
	}
}

// acceptLocked accepts the first of the bytes and returns how many they are.
func (s *sender) acceptLocked(since time.Duration, p []byte) (n int, err error) {
	allowance := s.allowance
	p = allowance.cut(p)
	switch ahead := s.link.Ahead(); {
	case s.startTCPLocked():
		n = s.writeTCPLocked(p)
	case ahead > 0:
		n = min(len(p), ahead-len(s.waiting))
		s.traceLocked(trace.Send, s.passed+int64(len(s.waiting)), n, 0, "")
		if len(s.waiting) == 0 {
			s.since = s.now()
		}
		s.waiting = append(s.waiting, p[:n]...)
		s.startLocked(s.carry)
	case s.link.ArrivesAtOnce() && !s.background:
		n, err = s.handOnLocked(s.madeUpLocked(since), p)
	default:
		p = p[:min(len(p), maxFlight-s.flightSize)]
		n = s.launchLocked(s.madeUpLocked(since), p, true)
	}
	allowance.spend(n)
	return n, err
}

// handOnLocked lets the writer himself hand the first piece on.
func (s *sender) handOnLocked(at time.Duration, p []byte) (int, error) {
	s.dueLocked(at)
	piece := s.sendLocked(at, len(p))
	s.traceLocked(trace.Send, s.passed, piece.Bytes, 0, "")
	n, err := s.directly(s.conn.inner.Write, p[:piece.Bytes])
	if isReset(err) && s.err == nil { // this writer gets the error
		s.failLocked(err)
		s.conn.in.reset.become(resetTold)
	}
	s.traceDataLocked(p[:n])
	s.passed += int64(n)
	s.delivered += int64(n)
	return n, err
}

// launchLocked puts the first piece into flight.
func (s *sender) launchLocked(at time.Duration, p []byte, isNew bool) int {
	s.dueLocked(at)
	piece := s.sendLocked(at, len(p))
	if isNew {
		s.traceLocked(trace.Send, s.passed, piece.Bytes, 0, "")
	}
	s.tracePieceLocked(piece)
	s.flight = append(s.flight, s.flyingLocked(s.keepLocked(p[:piece.Bytes]), &piece))
	s.flightSize += piece.Bytes
	s.passed += int64(piece.Bytes)
	s.startLocked(s.carry)
	return piece.Bytes
}

// keepLocked copies bytes into the block, with those that are in flight.
func (s *sender) keepLocked(p []byte) []byte {
	if len(s.block)+len(p) > cap(s.block) {
		// The more is in flight, the more will follow.
		s.block = make([]byte, 0, max(len(p), min(s.flightSize, blockSize)))
	}
	start := len(s.block)
	s.block = append(s.block, p...)
	return s.block[start:len(s.block):len(s.block)]
}

// blockSize is how much of what is in flight lies together, at most.
const blockSize = 32 << 10

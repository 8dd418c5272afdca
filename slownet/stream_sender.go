package slownet

import (
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// maxFlight is the maximum number of bytes in flight. Further writes wait.
const maxFlight = 16 << 20

// A sender carries written bytes over its link to the inner connection. Where
// bytes arrive as they leave, the writer itself hands them on. Otherwise they
// wait in flight, and one goroutine, the delivery goroutine, hands them on and
// ends when none is left. Bytes in the link's queue are waiting: the delivery
// goroutine puts them into flight.
type sender struct {
	streamHalf
	linger
	flight     []sentPiece   // in order of arrival
	flightSize int           // bytes
	block      []byte        // holds the latest pieces
	waiting    []byte        // for the link to be free
	since      time.Duration // time when they began to wait
	finished   bool          // CloseWrite was called
	end        ending
	endAt      time.Duration // arrival time of the stream's end, while that is in flight
}

// write sends p piece by piece and returns the number of accepted bytes. begun
// means that p is the rest of a write that began in the inner connection.
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

// awaitRoomLocked waits until there is room for the next bytes, which have been ready
// since the given time. It returns the time since which they count as ready.
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

// acceptLocked accepts bytes from the front of p and returns their number.
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
		s.startLocked(s.deliver)
	case s.link.ArrivesAtOnce() && !s.background:
		n, err = s.handOnLocked(s.entryTimeLocked(since), p)
	default:
		p = p[:min(len(p), maxFlight-s.flightSize)]
		n = s.transmitLocked(s.entryTimeLocked(since), p, true)
	}
	allowance.spend(n)
	return n, err
}

// handOnLocked hands the first piece on, on the writer's own goroutine.
func (s *sender) handOnLocked(at time.Duration, p []byte) (int, error) {
	s.dueLocked(at)
	piece := s.sendLocked(at, len(p))
	s.traceLocked(trace.Send, s.passed, piece.Bytes, 0, "")
	n, err := s.directly(s.conn.inner.Write, p[:piece.Bytes])
	if isReset(err) && s.err == nil { // this call returns the error
		s.failLocked(err)
		s.conn.in.reset.become(resetTold)
	}
	s.traceDataLocked(p[:n])
	s.passed += int64(n)
	s.delivered += int64(n)
	return n, err
}

// transmitLocked puts the first piece into flight.
func (s *sender) transmitLocked(at time.Duration, p []byte, isNew bool) int {
	s.dueLocked(at)
	piece := s.sendLocked(at, len(p))
	if isNew {
		s.traceLocked(trace.Send, s.passed, piece.Bytes, 0, "")
	}
	s.tracePieceLocked(piece)
	s.flight = append(s.flight, s.newPieceLocked(s.keepLocked(p[:piece.Bytes]), &piece))
	s.flightSize += piece.Bytes
	s.passed += int64(piece.Bytes)
	s.startLocked(s.deliver)
	return piece.Bytes
}

// keepLocked copies bytes into the block, next to those that are in flight.
func (s *sender) keepLocked(p []byte) []byte {
	if len(s.block)+len(p) > cap(s.block) {
		// The more bytes are in flight, the more will follow.
		s.block = make([]byte, 0, max(len(p), min(s.flightSize, blockSize)))
	}
	start := len(s.block)
	s.block = append(s.block, p...)
	return s.block[start:len(s.block):len(s.block)]
}

// blockSize is the maximum number of bytes that are allocated together.
const blockSize = 32 << 10

package netem

import (
	"cmp"
	"slices"
	"time"
)

// A retransmissionQueue holds the segments that were sent and are not
// cumulatively acknowledged, by sequence number. Segments are identified by a
// number that counts from the start of the connection.
type retransmissionQueue struct {
	first, last int64 // the numbers in the queue, last not included

	sacked        int32       // acknowledged selectively
	lost          int32       // considered lost, retransmitted since or not
	resent        int32       // retransmitted, and considered in flight
	again         int32       // sent more than once
	board         *scoreboard // nil before the first loss, retransmission or selective acknowledgement
	highestSacked int64       // a segment's number

	// Segments in flight are also in a list, in the order of their last
	// transmission.
	oldest, newest int64

	ring   []sentSegment  // its length is a power of two
	inline [1]sentSegment // the ring while it is large enough; therefore the queue must not be copied
}

// A scoreboard is the part of a retransmissionQueue that only losses and
// retransmissions need.
type scoreboard struct {
	blocks   [3]Block // of the last selective acknowledgement
	known    int      // how many of the blocks are set
	nextLost int64    // no segment below it waits for its retransmission

	resends    int64 // number of retransmissions
	duplicates int64 // number of segments reported as duplicates
}

// ensureScoreboard returns the scoreboard, and creates it if there is none.
func (q *retransmissionQueue) ensureScoreboard() *scoreboard {
	if q.board == nil {
		q.board = &scoreboard{}
	}
	return q.board
}

// hasSACKs reports whether the last acknowledgement included selective ones.
func (q *retransmissionQueue) hasSACKs() bool { return q.board != nil && q.board.known > 0 }

// A sentSegment is a segment that was sent.
type sentSegment struct {
	seq          int64
	sent         time.Duration // time of the last transmission
	older, newer int64         // in the list of segments in flight; none at its ends
	size         int32
	state        segmentState
	again        bool // sent more than once
}

// A segmentState is a segment's state at the sender.
type segmentState uint8

const (
	inFlight segmentState = iota
	isSacked
	isLost   // and waiting for retransmission
	isResent // retransmitted, and in flight again
)

// none stands for no segment.
const none int64 = -1

func (q *retransmissionQueue) init() {
	q.highestSacked, q.oldest, q.newest = none, none, none
}

func (q *retransmissionQueue) at(number int64) *sentSegment {
	return &q.ring[number&int64(len(q.ring)-1)]
}

// len returns the number of segments in the queue.
func (q *retransmissionQueue) len() int { return int(q.last - q.first) }

// inFlight estimates the number of segments on the path.
func (q *retransmissionQueue) inFlight() int { return q.len() - int(q.sacked+q.lost-q.resent) }

// push adds a segment that is sent for the first time.
func (q *retransmissionQueue) push(now time.Duration, seq int64, size int) {
	if q.len() == len(q.ring) {
		q.grow()
	}
	s := q.at(q.last)
	s.seq, s.size, s.sent, s.state, s.again = seq, int32(size), now, inFlight, false
	q.append(q.last)
	q.last++
}

func (q *retransmissionQueue) grow() {
	if len(q.ring) == 0 {
		q.ring = q.inline[:]
		return
	}
	bigger := make([]sentSegment, max(4, 2*len(q.ring)))
	for n := q.first; n < q.last; n++ {
		bigger[n&int64(len(bigger)-1)] = *q.at(n)
	}
	q.ring = bigger
}

// append puts a segment at the end of the segments in flight.
func (q *retransmissionQueue) append(number int64) {
	s := q.at(number)
	s.older, s.newer = q.newest, none
	if q.newest == none {
		q.oldest = number
	} else {
		q.at(q.newest).newer = number
	}
	q.newest = number
}

// unlink takes a segment out of the segments in flight.
func (q *retransmissionQueue) unlink(number int64) {
	s := q.at(number)
	if s.older == none {
		q.oldest = s.newer
	} else {
		q.at(s.older).newer = s.newer
	}
	if s.newer == none {
		q.newest = s.older
	} else {
		q.at(s.newer).older = s.older
	}
}

// lose marks a segment as lost.
func (q *retransmissionQueue) lose(number int64) {
	switch s := q.at(number); s.state {
	case inFlight:
		q.unlink(number)
		s.state = isLost
		q.lost++
	case isResent:
		q.unlink(number)
		s.state = isLost
		q.resent--
	default:
		return
	}
	board := q.ensureScoreboard()
	board.nextLost = min(board.nextLost, number)
}

// recover undoes lose.
func (q *retransmissionQueue) recover(number int64) {
	switch s := q.at(number); s.state {
	case isLost:
		q.append(number)
		s.state = inFlight
		q.lost--
	case isResent:
		s.state = inFlight
		q.lost--
		q.resent--
	}
}

// resend records that a segment is retransmitted. A probe retransmits a segment
// that is not considered lost.
func (q *retransmissionQueue) resend(now time.Duration, number int64) {
	q.ensureScoreboard().resends++
	s := q.at(number)
	switch s.state {
	case isLost:
		s.state = isResent
		q.resent++
	default:
		q.unlink(number)
	}
	if !s.again {
		s.again = true
		q.again++
	}
	s.sent = now
	q.append(number)
}

// waiting returns the first segment that waits for its retransmission, or none.
func (q *retransmissionQueue) waiting() int64 {
	if q.lost == q.resent {
		return none
	}
	b := q.board
	for b.nextLost = max(b.nextLost, q.first); b.nextLost < q.last; b.nextLost++ {
		if q.at(b.nextLost).state == isLost {
			return b.nextLost
		}
	}
	return none
}

// deliver records that a segment has arrived.
func (q *retransmissionQueue) deliver(number int64) {
	s := q.at(number)
	switch s.state {
	case inFlight:
		q.unlink(number)
	case isLost:
		q.lost--
	case isResent:
		q.unlink(number)
		q.lost--
		q.resent--
	}
	s.state = isSacked
	q.sacked++
}

// pop removes the first segment, which has been delivered.
func (q *retransmissionQueue) pop() {
	if q.at(q.first).again {
		q.again--
	}
	q.sacked--
	q.first++
}

// hasResent reports whether a retransmission may be in flight. If the first segment was
// ever retransmitted, it counts.
func (q *retransmissionQueue) hasResent() bool {
	return q.resent > 0 || q.len() > 0 && q.at(q.first).again
}

// isInOrder reports whether every segment in the queue was sent once and is in flight, and
// the last acknowledgement had no selective ones.
func (q *retransmissionQueue) isInOrder() bool { return q.sacked|q.lost|q.again == 0 && !q.hasSACKs() }

// find returns the number of the first segment at or above a sequence number.
func (q *retransmissionQueue) find(seq int64) int64 {
	low, high := q.first, q.last
	for low < high {
		middle := low + (high-low)/2
		if q.at(middle).seq < seq {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// newlySacked calls f with the numbers of the segments that a selective
// acknowledgement's blocks cover and the previous one's did not, in
// ascending order, so that segments that arrived in order do not look
// reordered.
func (q *retransmissionQueue) newlySacked(blocks []Block, f func(number int64)) {
	if len(blocks) == 0 && !q.hasSACKs() {
		return
	}
	board := q.ensureScoreboard()
	var ordered [3]Block
	copy(ordered[:], blocks)
	slices.SortFunc(ordered[:len(blocks)], func(a, b Block) int { return cmp.Compare(a.Start, b.Start) })
	for _, b := range ordered[:len(blocks)] {
		start := b.Start
		for _, known := range board.blocks[:board.known] {
			if known.Start == b.Start && known.End <= b.End {
				start = known.End
			}
		}
		for n := q.find(start); n < q.last && q.at(n).seq < b.End; n++ {
			if q.at(n).state != isSacked {
				f(n)
			}
		}
	}
	board.known = copy(board.blocks[:], blocks)
}

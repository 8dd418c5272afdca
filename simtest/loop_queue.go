package simtest

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// An event is something that will happen to a host: mostly, that something
// arrives. Only the loop makes events, and makes them happen, with mu held.
type event struct {
	what  eventKind
	group int32 // of what keeps its order though it is on several lines; 0 is none

	conn *conn  // that it happens to
	host *Host  // that it happens on; nil for none
	n    int    // of bytes
	do   func() // what happens, if there is no kind for it
	line *line  // within which it keeps its place
}

// An eventKind is what happens. The frequent ones have kinds, so that they
// need no closure.
type eventKind uint8

const (
	calling          eventKind = iota // do
	stepping                          // do, of the network's own; it draws no tie
	arriving                          // n bytes
	windowUpdated                     // n bytes of window
	sent                              // n bytes, by conn
	leaving                           // the link is free for what comes next
	segmentsArriving                  // those from the nth on
	expiring                          // a timer of TCP's
	goingOn                           // calls of Write, unless they have since the nth time
	entering                          // the nth crossing enters its next hop

	// What users of a connection ask for.
	finishing       // the end of its stream
	resetting       // a reset of its peer
	bytesRead       // that the peer is told of what was read
	writeWaiting    // that it is looked whether there is room
	windowProbe     // that the peer tells of room
	probeUnanswered // that a peer which waits for room finds out that there will be none
)

// dispatchLocked makes an event happen.
func (s *Sim) dispatchLocked(e *event) {
	if h := e.host; h != nil && (h.paused || h.catchingUp) {
		if e.what == segmentsArriving || e.what == expiring {
			e.conn.troubleLoop()
		}
		h.parked = append(h.parked, *e)
		return
	}
	s.dispatchNowLocked(e)
}

// dispatchNowLocked makes an event happen, even on a host that is not itself.
func (s *Sim) dispatchNowLocked(e *event) {
	switch e.what {
	case calling, stepping:
		e.do()
	case arriving:
		e.conn.arriveLocked(e.n)
	case windowUpdated:
		e.conn.outstanding -= e.n
		e.conn.goOnWritingLocked()
	case sent:
		e.conn.sentLocked(e.n)
	case segmentsArriving:
		e.conn.arriveLoop(int32(e.n))
	case expiring:
		e.conn.expireLoop()
	case goingOn:
		if int(e.conn.tcp.bursts) == e.n {
			e.conn.goOnWritingLocked()
		}
	case entering:
		e.conn.enteringLoop(int32(e.n))
	case leaving:
		e.conn.leavingAt = 0
		e.conn.sendDueLocked()
	case finishing:
		e.conn.finishNowLocked()
	case resetting:
		e.conn.resetPeerLocked()
	case bytesRead:
		e.conn.bytesReadLocked()
	case writeWaiting:
		e.conn.blockedLoop()
	case windowProbe:
		e.conn.peer.windowProbedLocked()
	case probeUnanswered:
		e.conn.leaveProbeUnansweredLocked()
	}
}

// A line is what must keep its order: the events of one connection. It is known
// only where an order is drawn, as the natural one is that of scheduling.
type line struct {
	at   time.Duration // of the last one that is due
	tie  uint64        // its own
	last uint64        // its sequence
}

// A queue holds events, the next one first. It is a heap in which a node has
// four children. Events of one instant that are scheduled one after another are
// one entry in it.
type queue struct {
	heap  []entry
	store []stored
	free  []int32 // the indices of the store that are free
	count uint64  // of all that ever were scheduled

	// What was scheduled last, while it is in the queue.
	lastAt  time.Duration
	lastTie uint64
	last    int32 // in the store, or none
}

// An entry is what orders events that follow each other.
type entry struct {
	at       time.Duration
	tie      uint64 // decides between events of one instant, as the seed has it
	sequence uint64 // decides between ties: in the order of scheduling
	index    int32  // of the first event in the store
}

// A stored event knows which follows it.
type stored struct {
	event
	next int32 // in the store, or none
}

// none is the index of no event.
const none = -1

func (a *entry) before(b *entry) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	if a.tie != b.tie {
		return a.tie < b.tie
	}
	return a.sequence < b.sequence
}

// push schedules an event.
func (q *queue) push(at time.Duration, tie uint64, e event) (sequence uint64) {
	q.count++
	index := int32(len(q.store))
	if last := len(q.free) - 1; last >= 0 {
		index = q.free[last]
		q.free = q.free[:last]
		q.store[index] = stored{e, none}
	} else {
		q.store = append(q.store, stored{e, none})
	}
	follows := len(q.heap) > 0 && q.last != none && q.lastAt == at && q.lastTie == tie
	if follows {
		q.store[q.last].next = index
	}
	q.last, q.lastAt, q.lastTie = index, at, tie
	if follows {
		return q.count
	}
	q.heap = append(q.heap, entry{})
	q.rise(len(q.heap)-1, entry{at, tie, q.count, index})
	return q.count
}

// rise puts an entry where node i is or above it.
func (q *queue) rise(i int, x entry) {
	for i > 0 {
		parent := (i - 1) / 4
		if !x.before(&q.heap[parent]) {
			break
		}
		q.heap[i] = q.heap[parent]
		i = parent
	}
	q.heap[i] = x
}

// pop takes the next event out.
func (q *queue) pop() (entry, event) {
	first := q.heap[0]
	e := q.store[first.index]
	if e.next != none {
		q.heap[0].index = e.next
		q.heap[0].sequence++
	} else {
		last := len(q.heap) - 1
		x := q.heap[last]
		q.heap = q.heap[:last]
		if last > 0 {
			q.sink(x)
		}
	}
	if q.last == first.index {
		q.last = none
	}
	q.store[first.index] = stored{next: none}
	q.free = append(q.free, first.index)
	if len(q.free) == len(q.store) && len(q.store) > 1<<15 {
		*q = queue{count: q.count} // after a rush; memory is for what is in flight
	}
	return first, e.event
}

// sink puts an entry at the root or below it.
func (q *queue) sink(x entry) {
	i := 0
	for {
		child := 4*i + 1
		if child >= len(q.heap) {
			break
		}
		least := child
		for other := child + 1; other < min(child+4, len(q.heap)); other++ {
			if q.heap[other].before(&q.heap[least]) {
				least = other
			}
		}
		if !q.heap[least].before(&x) {
			break
		}
		q.heap[i] = q.heap[least]
		i = least
	}
	q.heap[i] = x
}

// len returns how many events are scheduled.
func (q *queue) len() int { return len(q.store) - len(q.free) }

// next returns when the next event is due.
func (q *queue) next() (at time.Duration, ok bool) {
	if len(q.heap) == 0 {
		return 0, false
	}
	return q.heap[0].at, true
}

// scheduleLocked has an event happen at a time. Only the loop may call it, for
// the order of the calls is the natural order of what happens at one instant.
func (s *Sim) scheduleLocked(at time.Duration, e event) { s.queue.push(max(at, s.instant), 0, e) }

// scheduleInnerLocked has an event of TCP's happen at a time, that nobody sees: an
// acknowledgement, or a timer. See innerDeadlineLocked.
func (s *Sim) scheduleInnerLocked(at time.Duration, e event) { s.inner.push(max(at, s.instant), 0, e) }

// catchUpLocked has TCP's inner events happen, up to a time. It stops at one that
// wakes someone, and reports false: all has to be quiet before the next.
func (s *Sim) catchUpLocked(until time.Duration) bool {
	now := s.instant
	for s.woken = false; !s.woken; {
		at, ok := s.inner.next()
		if !ok || at > until {
			break
		}
		entry, e := s.inner.pop()
		if entry.sequence <= s.urgent.mark {
			s.urgent.left--
		}
		s.instant = at
		s.dispatchLocked(&e)
		s.countLocked(at, 1)
	}
	s.instant = now
	return !s.woken
}

// allInTime has inner events happen in time, and not late.
var allInTime = false // a variable for tests

// urgent says which inner events may bring about something that users see.
type urgent struct {
	pairs int           // connections whose inner events may
	ahead time.Duration // and how long it takes at least, if there are any
	mark  uint64        // those before a fault may, too: they have a sequence up to this
	left  int           // how many those are
	hops  int           // those by which something that users see goes on over the next hop
}

// innerDeadlineLocked returns by when inner events must have happened, so that what
// users see happens in time.
func (s *Sim) innerDeadlineLocked() (at time.Duration, ok bool) {
	at, ok = s.inner.next()
	switch {
	case !ok:
		return 0, false
	case s.urgent.left > 0 || s.urgent.hops > 0 || allInTime:
		return at, true
	case s.urgent.pairs > 0:
		return timeline.Add(at, s.urgent.ahead), true
	}
	return 0, false
}

// nextEventLocked returns when the next event is due, other than inner ones.
func (s *Sim) nextEventLocked() (at time.Duration, ok bool) {
	if s.ties.hasDue() {
		return s.ties.dueAt, true
	}
	return s.queue.next()
}

// nextTimeLocked returns when the loop has something to do next.
func (s *Sim) nextTimeLocked() (at time.Duration, ok bool) {
	at, ok = s.nextEventLocked()
	if inner, urgent := s.innerDeadlineLocked(); urgent && (!ok || inner < at) {
		return inner, true
	}
	return at, ok
}

// allUrgentLocked makes all inner events urgent. Faults call it, as they may change
// what was known about those events.
func (s *Sim) allUrgentLocked() { s.urgent.mark, s.urgent.left = s.inner.count, s.inner.len() }

// callAtLocked has a function called at a time, on a host if it is not nil.
func (s *Sim) callAtLocked(at time.Duration, host *Host, do func()) {
	s.scheduleLocked(at, event{host: host, do: do})
}

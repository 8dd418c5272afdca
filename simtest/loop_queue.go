package simtest

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// An event will happen to a host: usually, something arrives. Only the loop creates and
// dispatches events, with mu held.
type event struct {
	what  eventKind
	group int32 // events of a group keep their order although they are on several lines; 0 is none

	conn *conn  // the affected connection
	host *Host  // the affected host; nil for none
	n    int    // number of bytes
	do   func() // the event, if there is no kind for it
	line *line  // within which the event keeps its order
}

// An eventKind is a kind of event. Frequent events have kinds, so that they need no
// closure.
type eventKind uint8

const (
	calling          eventKind = iota // calls do
	stepping                          // calls do, for the network itself; draws no tie
	arriving                          // of n bytes
	windowUpdated                     // by n bytes
	sent                              // n bytes, by conn
	leaving                           // the link is free for the next piece
	segmentsArriving                  // the segments from index n on
	expiring                          // a timer of TCP
	goingOn                           // calls of Write continue, unless they have continued since the nth time
	entering                          // the nth crossing enters its next hop

	// Requests of a connection's users.
	finishing       // the end of its stream
	resetting       // a reset of its peer
	bytesRead       // tell the peer that bytes were read
	writeWaiting    // check for room
	windowProbe     // ask the peer for a window update
	probeUnanswered // the peer's request for a window update will not be answered
)

// dispatchLocked handles an event.
func (s *Sim) dispatchLocked(e *event) {
	if h := e.host; h != nil && (h.paused || h.catchingUp) {
		h.parkLocked(e)
	} else {
		s.dispatchNowLocked(e)
	}
}

// parkLocked keeps an event for the time when the host is no longer paused.
func (h *Host) parkLocked(e *event) {
	if e.what == segmentsArriving || e.what == expiring {
		e.conn.troubleLoop()
	}
	h.parked = append(h.parked, *e)
}

// dispatchNowLocked handles an event even on a paused host.
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

// A line is a sequence of events that must keep its order: the events of one
// connection. It matters only if an order is drawn, since the natural order is the
// order of scheduling.
type line struct {
	at   time.Duration // time of the line's last event that is due
	tie  uint64        // tie of that event
	last uint64        // sequence of that event
}

// A queue holds events by time, in a heap whose nodes have four children. Events of one
// instant that are scheduled in succession share an entry.
type queue struct {
	heap  []entry
	store []stored
	free  []int32 // free indices of the store
	count uint64  // of all events ever scheduled

	// The last scheduled entry, while it is in the queue.
	lastAt  time.Duration
	lastTie uint64
	last    int32 // index in the store, or none
}

// An entry orders a sequence of events.
type entry struct {
	at       time.Duration
	tie      uint64 // orders events of one instant, drawn from the seed
	sequence uint64 // orders equal ties by scheduling
	index    int32  // of the first event in the store
}

// A stored event links to the next one.
type stored struct {
	event
	next int32 // index in the store, or none
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
func (q *queue) push(at time.Duration, tie uint64, e *event) (sequence uint64) {
	q.count++
	index := int32(len(q.store))
	if last := len(q.free) - 1; last >= 0 {
		index = q.free[last]
		q.free = q.free[:last]
		q.store[index].event = *e
	} else {
		q.store = append(q.store, stored{*e, none})
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

// rise places an entry at node i or above it.
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

// pop removes the next event and stores it in e.
func (q *queue) pop(e *event) (sequence uint64) {
	first := &q.heap[0]
	index, sequence := first.index, first.sequence
	slot := &q.store[index]
	*e = slot.event
	if slot.next != none {
		first.index = slot.next
		first.sequence++
	} else {
		last := len(q.heap) - 1
		x := q.heap[last]
		q.heap = q.heap[:last]
		if last > 0 {
			q.sink(x)
		}
	}
	if q.last == index {
		q.last = none
	}
	slot.event, slot.next = event{}, none
	q.free = append(q.free, index)
	if len(q.free) == len(q.store) && len(q.store) > 1<<15 {
		*q = queue{count: q.count} // keep no memory after a burst
	}
	return sequence
}

// sink places an entry at the root or below it.
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

// len returns the number of scheduled events.
func (q *queue) len() int { return len(q.store) - len(q.free) }

// next returns the time at which the next event is due.
func (q *queue) next() (at time.Duration, ok bool) {
	if len(q.heap) == 0 {
		return 0, false
	}
	return q.heap[0].at, true
}

// scheduleLocked schedules an event. Only the loop may call it: the order of the calls
// is the natural order of events at one instant.
func (s *Sim) scheduleLocked(at time.Duration, e *event) { s.queue.push(max(at, s.instant), 0, e) }

// scheduleInnerLocked schedules an inner event: one of TCP's that is not visible to
// users, such as an acknowledgement or a timer. See innerDeadlineLocked.
func (s *Sim) scheduleInnerLocked(at time.Duration, e *event) { s.inner.push(max(at, s.instant), 0, e) }

// catchUpLocked dispatches inner events up to a time. It stops at an event that wakes a
// goroutine, and returns false: every goroutine must be blocked before the next event.
func (s *Sim) catchUpLocked(until time.Duration) bool {
	if at, ok := s.inner.next(); !ok || at > until {
		s.woken = false
		return true
	}
	return s.catchUpDueLocked(until)
}

func (s *Sim) catchUpDueLocked(until time.Duration) bool {
	now := s.instant
	for s.woken = false; !s.woken; {
		at, ok := s.inner.next()
		if !ok || at > until {
			break
		}
		var e event
		if s.inner.pop(&e) <= s.urgent.mark {
			s.urgent.left--
		}
		s.instant = at
		s.dispatchLocked(&e)
		s.countLocked(at, 1)
	}
	s.instant = now
	return !s.woken
}

// allInTime makes inner events happen in time, rather than lazily.
var allInTime = false // a variable for tests

// urgent tracks the inner events that may cause something visible to users.
type urgent struct {
	pairs int           // connections with such inner events
	ahead time.Duration // the least time until such an effect, if there are any
	mark  uint64        // inner events scheduled before a fault, with a sequence up to this, may cause something visible too
	left  int           // number of those that are left
	hops  int           // inner events by which something visible enters its next hop
}

// innerDeadlineLocked returns the time by which inner events must have happened, so
// that visible events happen in time.
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

// nextEventLocked returns the time at which the next event is due, inner events
// excepted.
func (s *Sim) nextEventLocked() (at time.Duration, ok bool) {
	if s.ties.hasDue() {
		return s.ties.dueAt, true
	}
	return s.queue.next()
}

// nextTimeLocked returns the next time at which the loop has something to do.
func (s *Sim) nextTimeLocked() (at time.Duration, ok bool) {
	at, ok = s.nextEventLocked()
	if inner, urgent := s.innerDeadlineLocked(); urgent && (!ok || inner < at) {
		return inner, true
	}
	return at, ok
}

// allUrgentLocked makes all inner events urgent. Faults call it, since they can
// invalidate what was known about those events.
func (s *Sim) allUrgentLocked() { s.urgent.mark, s.urgent.left = s.inner.count, s.inner.len() }

// callAtLocked schedules the call of a function, on a host if that is not nil.
func (s *Sim) callAtLocked(at time.Duration, host *Host, do func()) {
	s.scheduleLocked(at, &event{host: host, do: do})
}

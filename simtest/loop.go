package simtest

import (
	"cmp"
	"container/heap"
	"slices"
	"time"
)

// An action is what a goroutine of the simulation wants of the network: to dial,
// to send, to close. Actions are posted at once and looked at when everything
// is quiet.
type action struct {
	key key
	do  func() // puts it on its way; called by the loop, with mu held
}

// A key orders the actions of one instant. Nothing in it depends on the order
// in which goroutines ran.
type key struct {
	host     int    // of the connection's dialling side; by order of creation
	conn     uint64 // by order of dialling on that host
	address  string // for a dial, which has no number yet: what is dialled
	side     side   // of the connection
	kind     kind   // a reader and a writer of one side may act at one instant
	sequence uint64 // of that kind and side, or of the host's dials
}

// A kind is what an action of a connection is about.
type kind int

const (
	wanting  kind = iota // for room in the window
	granting             // room in the peer's
	sending              // bytes, an end or a reset
	kinds
)

func compareKeys(a, b key) int {
	return cmp.Or(
		cmp.Compare(a.host, b.host),
		cmp.Compare(a.conn, b.conn),
		cmp.Compare(a.address, b.address),
		cmp.Compare(a.side, b.side),
		cmp.Compare(a.kind, b.kind),
		cmp.Compare(a.sequence, b.sequence))
}

// A delivery is something under way that will arrive.
type delivery struct {
	at       time.Duration
	sequence uint64 // in the order of sending; ties of at are decided by it
	do       func() // called by the loop, with mu held
}

// A queue holds deliveries, the next one first.
type queue struct {
	heap deliveries
	sent uint64 // counts deliveries
}

func (q *queue) push(at time.Duration, do func()) {
	q.sent++
	heap.Push(&q.heap, delivery{at, q.sent, do})
}

func (q *queue) pop() delivery { return heap.Pop(&q.heap).(delivery) }

// next returns when the next delivery is due.
func (q *queue) next() (at time.Duration, ok bool) {
	if len(q.heap) == 0 {
		return 0, false
	}
	return q.heap[0].at, true
}

type deliveries []delivery

func (d deliveries) Len() int { return len(d) }
func (d deliveries) Less(i, j int) bool {
	return d[i].at < d[j].at || d[i].at == d[j].at && d[i].sequence < d[j].sequence
}
func (d deliveries) Swap(i, j int) { d[i], d[j] = d[j], d[i] }
func (d *deliveries) Push(x any)   { *d = append(*d, x.(delivery)) }
func (d *deliveries) Pop() any {
	last := len(*d) - 1
	x := (*d)[last]
	(*d)[last] = delivery{}
	*d = (*d)[:last]
	return x
}

// postLocked hands an action to the loop.
func (s *Sim) postLocked(k key, do func()) {
	s.posted = append(s.posted, action{k, do})
	if len(s.posted) == 1 {
		s.ring()
	}
}

// ring wakes the loop.
func (s *Sim) ring() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// loop is the network: the one goroutine by which everything that is sent
// arrives. It waits until all is quiet, puts what was posted meanwhile on its
// way, in order, delivers the one thing that is due next, and starts again.
func (s *Sim) loop() {
	defer close(s.stopped)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		s.settle()
		s.mu.Lock()
		if s.closed {
			s.unlock()
			s.closeAll()
			return
		}
		s.collectLocked()
		at, ok := s.queue.next()
		wait := at - s.now()
		if ok && wait <= 0 {
			s.queue.pop().do()
			s.unlock()
			continue
		}
		s.unlock()

		var due <-chan time.Time
		if ok {
			timer.Reset(wait)
			due = timer.C
		}
		select {
		case <-due:
		case <-s.wake:
		}
	}
}

// collectLocked puts what was posted on its way, in an order that does not
// depend on the scheduler.
func (s *Sim) collectLocked() {
	posted := s.posted
	s.posted = nil
	slices.SortStableFunc(posted, func(a, b action) int { return compareKeys(a.key, b.key) })
	for _, action := range posted {
		action.do()
	}
}

// now is the simulated time.
func (s *Sim) now() time.Duration { return time.Since(s.origin) }

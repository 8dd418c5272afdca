package simtest

import (
	"cmp"
	"slices"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
)

// An action is what a goroutine of the simulation wants of the network: to dial,
// to send, to close. Actions are posted at once and looked at when everything
// is quiet.
type action struct {
	key  key
	what eventKind
	host *Host  // whose action it is; nil if it happens even while the host stands still
	conn *conn  // whose
	n    int    // bytes that are sent
	do   func() // what is done, if there is no kind for it
}

// A key orders the actions of one instant. Nothing in it depends on the order
// in which goroutines ran.
type key struct {
	host     int     // of the connection's dialling side; by order of creation
	conn     uint64  // by order of dialling on that host
	address  *string // for a dial, which has no number yet: what is dialled; else nil
	sequence uint64  // of the connection's, as newSequence has it; of a socket's datagrams; or of the host's dials
}

// newSequence returns the sequence of a connection's action: of one side, and of
// one kind, for a reader and a writer of one side may act at one instant.
func newSequence(side side, kind kind, count uint64) uint64 {
	return uint64(side)<<63 | uint64(kind)<<60 | count
}

// The numbers that are not a connection's, in the order in which they come
// behind those.
const (
	firstSocket = 1 << 62   // of datagrams; they count on from here
	dials       = 1<<64 - 1 // of one host
)

// A kind is what an action of a connection is about.
type kind uint8

const (
	windowProbes  kind = iota // for room in the window
	windowUpdates             // room in the peer's
	sending                   // bytes, an end or a reset
	kinds
)

// A ranked action is one that is sorted. The rank decides before the key does: as
// the seed has it, or without one in the order of the keys, as far as a number
// can tell.
type ranked struct {
	rank   uint64
	action *action
}

func compareRanked(a, b ranked) int {
	if a.rank != b.rank {
		return cmp.Compare(a.rank, b.rank)
	}
	return compareKeys(&a.action.key, &b.action.key)
}

// rank returns a number that is not less for a later key.
func (k *key) rank() uint64 {
	const connBits = 40
	if k.host >= 1<<(64-connBits)-1 {
		return 1<<64 - 1
	}
	return uint64(k.host)<<connBits | min(k.conn, 1<<connBits-1)
}

func compareKeys(a, b *key) int {
	switch {
	case a.host != b.host:
		return cmp.Compare(a.host, b.host)
	case a.conn != b.conn:
		return cmp.Compare(a.conn, b.conn)
	case a.address != nil && b.address != nil && *a.address != *b.address:
		return cmp.Compare(*a.address, *b.address)
	}
	return cmp.Compare(a.sequence, b.sequence)
}

// postLocked hands an action to the loop.
func (s *Sim) postLocked(a action) {
	if s.deferred {
		s.sendDeferredLocked(s.now())
	}
	s.posted = append(s.posted, a)
	s.wakeLoopLocked()
}

// collectLocked puts what was posted on its way, in an order that does not
// depend on the scheduler: the natural one, or with a seed another one among
// connections.
func (s *Sim) collectLocked() {
	if len(s.posted) == 0 {
		return
	}
	s.deferred = false
	posted := s.posted
	s.posted, s.spare = s.spare[:0], nil
	order := s.order[:0]
	for i := range posted {
		order = append(order, ranked{posted[i].key.rank(), &posted[i]})
	}
	if len(posted) > 1 {
		s.orderActionsLocked(order)
	}
	for i := 0; i < len(order); i++ {
		a := order[i].action
		for range followers(order[i:]) {
			i++
			a.n += order[i].action.n
		}
		s.dispatchLocked(&event{what: a.what, host: a.host, conn: a.conn, n: a.n, do: a.do})
	}
	clear(posted)
	clear(order)
	if cap(posted) <= maxSpareActions { // memory is for what is in flight
		s.spare, s.order = posted, order
	} else {
		s.order = nil // it may point to them
	}
}

// orderActionsLocked sorts actions.
func (s *Sim) orderActionsLocked(order []ranked) {
	round, isDrawn := s.ties.order(s.instant)
	if isDrawn {
		for i := range order {
			order[i].rank = order[i].action.key.tie(round)
		}
	}
	slices.SortFunc(order, compareRanked)
	if isDrawn && s.ties.decided != nil && !slices.IsSortedFunc(order, func(a, b ranked) int {
		return compareKeys(&a.action.key, &b.action.key)
	}) {
		s.ties.decide(s.instant)
	}
}

// maxSpareActions is for how many actions room is kept.
const maxSpareActions = 1 << 15

// followers returns how many actions go on where the first one, a write, ends,
// and would arrive when it does. To have them arrive as one makes a run the same
// however the scheduler cuts what is written at one instant: a program with a
// goroutine that writes what others hand it, as gRPC is, does not know itself.
// Where packets pass one after another, or one by one are lost or delayed, each
// write is a packet of its own, as on a socket without Nagle's algorithm.
func followers(actions []ranked) (n int) {
	first := actions[0].action
	if first.what != sent {
		return 0
	}
	for _, next := range actions[1:] {
		if next.action.conn != first.conn || next.action.what != sent {
			break
		}
		n++
	}
	if n > 0 && first.conn.tcp == nil && !first.conn.carriesAtOnce() {
		return 0
	}
	return n
}

// tie returns a number that decides in one round where a connection's actions
// come among those of others.
func (k *key) tie(round uint64) uint64 {
	tie := mix64.Mix(mix64.Mix(round, uint64(k.host)), k.conn)
	if k.address != nil {
		for _, c := range []byte(*k.address) {
			tie = mix64.Mix(tie, uint64(c))
		}
	}
	return tie
}

// A control is something that is done to the network itself.
type control struct {
	key  string // what it is, in words
	tie  uint64 // decides before the key does, as the seed has it
	do   func()
	done chan struct{} // closed when its caller may go on
}

// control does something to the network itself, and returns when that has
// happened, with all that it brings about at this instant. It comes when all
// else has happened. What several goroutines have to do is done in the order of
// the keys, for theirs is the scheduler's; so the key says all that makes a
// difference. When the simulation has ended nothing is done.
func (s *Sim) control(key string, do func()) {
	s.mu.Lock()
	if s.closed {
		s.unlock()
		afterTheEnd()
		return
	}
	done := make(chan struct{})
	s.controls = append(s.controls, control{key: key, do: do, done: done})
	s.wakeLoopLocked()
	s.unlock()
	<-done
}

// controlAllLocked does all that is to be done to the network itself.
func (s *Sim) controlAllLocked() {
	controls := s.controls
	s.controls = nil
	s.allUrgentLocked()
	s.faults++
	if len(controls) > 1 {
		s.orderControlsLocked(controls)
	}
	for _, c := range controls {
		c.do()
		s.faults++
		s.released = append(s.released, c.done)
	}
}

// orderControlsLocked sorts controls.
func (s *Sim) orderControlsLocked(controls []control) {
	round, isDrawn := s.ties.order(s.instant)
	if isDrawn {
		for i := range controls {
			controls[i].tie = mix64.String(round, controls[i].key)
		}
	}
	slices.SortStableFunc(controls, func(a, b control) int {
		return cmp.Or(cmp.Compare(a.tie, b.tie), cmp.Compare(a.key, b.key))
	})
	if isDrawn && !slices.IsSortedFunc(controls, func(a, b control) int { return cmp.Compare(a.key, b.key) }) {
		s.ties.decide(s.instant)
	}
}

// releaseAllLocked lets those go on who wait for the loop. They are on different
// hosts, or race each other anyway, and what they do next is put in order.
func (s *Sim) releaseAllLocked(waiting []chan struct{}) {
	for _, done := range waiting {
		close(done)
	}
}

// afterTheEnd is called where a call does nothing any more, for the simulation
// has ended. Who calls again and again does not keep time from going on.
func afterTheEnd() { time.Sleep(time.Millisecond) }

package simtest

import (
	"cmp"
	"slices"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
)

// An action is a request of a goroutine to the network: to dial, to send, to close.
// Actions are posted at once and processed when every goroutine is blocked.
type action struct {
	key  key
	what eventKind
	host *Host  // the host that acts; nil if the action also happens while the host is paused
	conn *conn  // the connection that acts
	n    int    // bytes to send
	do   func() // the action, if there is no kind for it
}

// A key orders the actions of one instant. Nothing in it depends on the order
// in which goroutines ran.
type key struct {
	host     int     // the connection's dialling host, by order of creation
	conn     uint64  // by order of dialling on that host
	address  *string // for a dial, which has no number yet: the address; otherwise nil
	sequence uint64  // of the connection, see newSequence; of a socket's datagrams; or of the host's dials
}

// newSequence returns the sequence of a connection's action: separate for each side and
// kind, since a reader and a writer of one side may act at one instant.
func newSequence(side side, kind kind, count uint64) uint64 {
	return uint64(side)<<63 | uint64(kind)<<60 | count
}

// The numbers, in a key, of actions that are not a connection's. They come after the
// numbers of connections, in this order.
const (
	firstSocket = 1 << 62   // of datagrams; sockets are numbered from here
	dials       = 1<<64 - 1 // of a host's dials
)

// A kind is the kind of a connection's action.
type kind uint8

const (
	windowProbes  kind = iota // requests for window updates
	windowUpdates             // window updates for the peer
	sending                   // bytes, an end or a reset
	kinds
)

// A ranked action is sorted by rank first and by key second. With a seed, ranks are
// drawn; without one, they are in the order of the keys, as far as one number can
// express that.
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

// rank returns a number that does not decrease in the order of keys.
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

// postLocked posts an action to the loop.
func (s *Sim) postLocked(a action) {
	if s.deferred {
		s.sendDeferredLocked(s.now())
	}
	*s.newActionLocked() = a
	s.wakeLoopLocked()
}

// newActionLocked adds an action that is to be filled in.
func (s *Sim) newActionLocked() *action {
	if n := len(s.posted); n < cap(s.posted) {
		s.posted = s.posted[:n+1] // what is beyond the length is always zero
	} else {
		s.posted = append(s.posted, action{})
	}
	return &s.posted[len(s.posted)-1]
}

// collectLocked processes posted actions in an order that does not depend on the
// scheduler: the natural one, or with a seed another order among connections.
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
		if len(order) >= prefetchMinimum && i+connsAhead < len(order) {
			order[i+connsAhead].action.conn.prefetch()
		}
		a := order[i].action
		if i+1 < len(order) && order[i+1].action.conn == a.conn {
			for range followers(order[i:]) {
				i++
				a.n += order[i].action.n
			}
		}
		s.dispatchLocked(&event{what: a.what, host: a.host, conn: a.conn, n: a.n, do: a.do})
	}
	clear(posted)
	clear(order)
	if cap(posted) <= maxSpareActions { // keep no memory after a burst
		s.spare, s.order = posted, order
	} else {
		s.order = nil // it may point to actions
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

// maxSpareActions is the maximum number of actions for which memory is kept.
const maxSpareActions = 1 << 15

// followers returns the number of actions that continue the first one, a write, and
// would arrive at the same time. Their bytes arrive as one piece, so a run does not
// depend on how the scheduler cuts the writes of one instant: a program with a
// goroutine that writes what others pass to it, such as gRPC, has no control over that.
// Where packets are serialized, or individually lost or delayed, each write is a packet
// of its own, as on a socket without Nagle's algorithm.
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

// tie returns a number that places a connection's actions among those of other
// connections in one round.
func (k *key) tie(round uint64) uint64 {
	tie := mix64.Mix(mix64.Mix(round, uint64(k.host)), k.conn)
	if k.address != nil {
		for _, c := range []byte(*k.address) {
			tie = mix64.Mix(tie, uint64(c))
		}
	}
	return tie
}

// A control is an operation on the network itself.
type control struct {
	key  string // describes the operation
	tie  uint64 // drawn from the seed; takes precedence over the key
	do   func()
	done chan struct{} // closed when its caller may continue
}

// control performs an operation on the network itself, and returns when everything that
// it causes at this instant has happened. The operation comes after all other events of
// the instant. Operations of several goroutines are performed in the order of their
// keys, since the order of the goroutines depends on the scheduler. So the key must
// include everything that makes a difference. After the end of the simulation it does
// nothing.
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

// controlAllLocked performs all pending controls.
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

// releaseAllLocked releases goroutines that wait for the loop. They are on different
// hosts, or race each other anyway, and their next actions are sorted.
func (s *Sim) releaseAllLocked(waiting []chan struct{}) {
	for _, done := range waiting {
		close(done)
	}
}

// afterTheEnd is called when a call does nothing because the simulation has ended. It
// sleeps, so that a caller in a loop does not stop time.
func afterTheEnd() { time.Sleep(time.Millisecond) }

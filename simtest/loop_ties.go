package simtest

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
)

// ties decide the order of events that are due at one instant. Without a seed that is
// the natural order: the order of scheduling, or of the keys of actions. With a seed an
// order is drawn. It depends on the seed, the instant, and the number of events that
// were due earlier at that instant. So a different order at one instant does not change
// the order at other instants.
type ties struct {
	seed    uint64
	draws   bool                          // orders may be drawn
	natural bool                          // the order is natural at instants that are not in given
	given   map[time.Duration]tieOverride // nil for none
	decided *decisions                    // nil if decisions are not recorded

	// State of the current instant.
	at      time.Duration
	round   uint64
	isDrawn bool
	events  uint64 // number of events that were due so far
	orders  uint64 // number of orders drawn among actions

	// Events that are due at this instant, if there are several.
	due      queue
	dueAt    time.Duration
	highest  uint64 // the highest tie in due
	group    int32  // of the latest event
	groupTie uint64 // the tie of that group
}

func (t *ties) init(config *Config) {
	*t = ties{seed: mix64.Mix(config.Seed, 2), draws: config.Seed != 0, decided: config.decided, at: -1}
	if o := config.overrides; o != nil {
		t.override(o)
	}
}

// override overrides the order at some instants.
func (t *ties) override(o *overrides) {
	t.natural = o.natural || !t.draws
	t.given = make(map[time.Duration]tieOverride, len(o.ties))
	for _, tie := range o.ties {
		t.given[tie.at] = tie
		t.draws = t.draws || !tie.natural
	}
}

// roundOf returns the number from which the order at an instant is drawn, or false if
// the order is natural.
func (t *ties) roundOf(at time.Duration) (round uint64, isDrawn bool) {
	if t.given != nil {
		if o, ok := t.given[at]; ok {
			return o.round, !o.natural
		}
	}
	return t.seedsRound(at), t.draws && !t.natural
}

// seedsRound returns the seed's number for an instant.
func (t *ties) seedsRound(at time.Duration) uint64 { return mix64.Mix(t.seed, uint64(at)) }

// look makes an instant the current one.
func (t *ties) look(at time.Duration) {
	if t.at != at {
		t.at, t.events, t.orders = at, 0, 0
		t.round, t.isDrawn = t.roundOf(at)
	}
}

// order returns a number from which to draw an order of actions, or false if the order
// is natural.
func (t *ties) order(at time.Duration) (round uint64, isDrawn bool) {
	if t.look(at); !t.isDrawn {
		return 0, false
	}
	t.orders++
	return mix64.Mix(^t.round, t.orders), true
}

// isSecond draws whether the second of two comes first.
func (t *ties) isSecond(at time.Duration, key uint64) bool {
	round, isDrawn := t.roundOf(at)
	if !isDrawn || mix64.Mix(round, key)&1 == 0 {
		return false
	}
	t.decide(at)
	return true
}

// decide records that an order other than the natural one was drawn.
func (t *ties) decide(at time.Duration) {
	if t.decided != nil {
		t.decided.tie(at)
	}
}

// put adds an event to those that are due. Events are added in their natural order.
func (t *ties) put(e *event) {
	if e.what == stepping {
		t.due.push(t.dueAt, 0, e)
		return
	}
	tie := mix64.Mix(t.round, t.events)
	t.events++
	l := e.line
	if l != nil && l.at == t.dueAt {
		tie = max(tie, l.tie)
	}
	if e.group != 0 {
		if e.group == t.group {
			tie = max(tie, t.groupTie)
		}
		t.group, t.groupTie = e.group, tie
	}
	if tie < t.highest {
		t.decide(t.dueAt)
	}
	t.highest = max(t.highest, tie)
	sequence := t.due.push(t.dueAt, tie, e)
	if l != nil {
		l.at, l.tie, l.last = t.dueAt, tie, sequence
	}
}

// take removes the next event from those that are due.
func (t *ties) take(e *event) {
	sequence := t.due.pop(e)
	if l := e.line; l != nil && l.last == sequence {
		l.at = -1 // no later event of the line is due
	}
	if !t.hasDue() {
		t.highest = 0
	}
}

func (t *ties) hasDue() bool { return len(t.due.heap) > 0 }

// nextLocked removes the next event from the queue and stores it in e.
func (s *Sim) nextLocked(e *event) {
	t := &s.ties
	if !t.draws {
		s.prefetchEvents(&s.queue)
		s.queue.pop(e)
		return
	}
	if !t.hasDue() {
		at, _ := s.queue.next()
		t.look(at)
		s.queue.pop(e)
		if next, ok := s.queue.next(); !t.isDrawn || !ok || next != at {
			if e.what != stepping {
				t.events++
			}
			return
		}
		t.dueAt = at
		t.put(e)
	}
	for t.look(t.dueAt); ; {
		if next, ok := s.queue.next(); !ok || next != t.dueAt {
			t.take(e)
			return
		}
		s.queue.pop(e)
		t.put(e)
	}
}

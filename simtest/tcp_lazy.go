package simtest

import (
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A connection is lazy while nothing that it has in flight is visible to users: only
// acknowledgements and timers are pending, over links that only add latency. Then these
// are not events of the simulation: they are processed when the connection is next
// used, in order and with their times.

// A lazyState is the pending work of both ends of a lazy connection.
type lazyState struct {
	on      bool
	passing bool          // pending work is being processed; the connection stays lazy until that has ended
	next    time.Duration // the earliest time at which something is due
	acks    [2]lazyAcks   // by the end where they arrive
}

// lazyAcks is a list of acknowledgements in flight, in the order of arrival.
type lazyAcks struct {
	at          time.Duration // of the first
	first, last int32         // segments, or none
}

// next returns the time at which the first one arrives, or Never.
func (a *lazyAcks) next() time.Duration {
	if a.first == none {
		return netem.Never
	}
	return a.at
}

func (a *lazyAcks) push(s *segments, at time.Duration, i int32) {
	s.all[i].at = at
	if a.first == none {
		a.at, a.first = at, i
	} else {
		s.all[a.last].next = i
	}
	a.last = i
}

// pop removes the first one. There must be one.
func (a *lazyAcks) pop(s *segments) (at time.Duration, i int32) {
	at, i = a.at, a.first
	if a.first = s.all[i].next; a.first != none {
		a.at = s.all[a.first].at
	}
	s.all[i].next = none
	return at, i
}

// catchUpLoop processes everything that was due by now.
func (c *conn) catchUpLoop() { c.catchUpToLoop(c.sim.instant) }

// catchUpToLoop processes everything that was due by a time.
func (c *conn) catchUpToLoop(until time.Duration) {
	if c.passLoop(until) {
		c.updateUrgencyLoop()
	}
}

// passLoop is catchUpToLoop without the update of this end's snapshot and of the
// urgency. It reports whether anything was due; if so, the caller must update both.
func (c *conn) passLoop(until time.Duration) bool {
	p, s := c.tcp.pair, c.sim
	if !p.lazy.on || p.lazy.next > until {
		return false
	}
	now := s.instant
	one, other := c, c.peer // the dialler comes first
	if c.side != dialler {
		one, other = c.peer, c
	}
	p.lazy.passing = true
	for {
		first, second := p.nextLazyOf(0), p.nextLazyOf(1)
		if p.lazy.next = min(first, second); p.lazy.next > until {
			break
		}
		s.instant = p.lazy.next
		if first <= s.instant {
			one.runLazyLoop()
			second = p.nextLazyOf(1)
		}
		if second <= s.instant {
			other.runLazyLoop()
		}
	}
	s.instant = now
	p.lazy.passing = false
	c.peer.snapshotLoop()
	return true
}

// runLazyLoop processes one piece of work that is due at this instant at one end. There
// must be one.
func (c *conn) runLazyLoop() {
	s, m := c.sim, c.tcp
	if acks := &m.pair.lazy.acks[c.side]; acks.next() <= s.instant {
		_, i := acks.pop(&s.segments)
		segment := &s.pending
		s.segments.take(i, segment)
		if s.trace.packets {
			c.arrivesLoop(segment)
		}
		m.end.Input(s.instant, segment)
	} else {
		m.end.Expire(s.instant)
	}
	c.sendLoop()
	c.snapshot().next = m.end.NextBusy() // the rest of the snapshot is updated at the end
}

// bothEnds returns the ends, the dialler's first.
func (c *conn) bothEnds() [2]*conn {
	if c.side == dialler {
		return [2]*conn{c, c.peer}
	}
	return [2]*conn{c.peer, c}
}

// nextLazy returns the time at which the next piece of work is due.
func (p *pair) nextLazy() time.Duration {
	return min(p.nextLazyOf(0), p.nextLazyOf(1))
}

// nextLazyOf returns the time at which the next piece of work of one end is due.
func (p *pair) nextLazyOf(side int) time.Duration {
	return min(p.snapshots[side].next, p.lazy.acks[side].next())
}

// dueLoop records that something is due at a time.
func (q *lazyState) dueLoop(at time.Duration) { q.next = min(q.next, at) }

// setLazyLoop makes a connection lazy or not. If not, everything in flight becomes
// events.
func (c *conn) setLazyLoop(on bool) {
	q := &c.tcp.pair.lazy
	if q.on == on || q.passing {
		return
	}
	q.on, c.lazy, c.peer.lazy = on, on, on
	if on {
		q.next = c.tcp.pair.nextLazy()
		return
	}
	for side, end := range c.bothEnds() {
		for acks := &q.acks[side]; acks.first != none; {
			at, i := acks.pop(&c.sim.segments)
			c.sim.travelInnerLocked(end.back, end.back.holdsNow(), at, &event{what: segmentsArriving, conn: end, host: end.host, n: int(i)})
		}
		end.armLoop()
	}
}

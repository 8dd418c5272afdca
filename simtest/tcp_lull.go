package simtest

import (
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A connection is quiet while nothing of what it has under way can be seen, and
// nothing else can be seen by it: acknowledgements and timers, over links that only
// take time. Then these are no events of the simulation's: they happen when the
// connection is next touched, in their order and with their times.

// A lull is what both ends of a connection have to do while it is quiet.
type lull struct {
	on      bool
	passing bool          // what was due happens; the lull does not end before that has
	next    time.Duration // when something is due, at the earliest
	acks    [2]fifo[lullAck]
}

// A lullAck is an acknowledgement on its way.
type lullAck struct {
	at    time.Duration
	index int32 // of the segment
}

// presentLoop has everything happen that was due by now.
func (c *conn) presentLoop() { c.passLoop(c.sim.instant) }

// passLoop has everything happen that was due by a time.
func (c *conn) passLoop(until time.Duration) {
	p, s := c.tcp.pair, c.sim
	if !p.lull.on || p.lull.next > until {
		return
	}
	now := s.instant
	ends := c.bothEnds()
	p.lull.passing = true
	for {
		if p.lull.next = p.nextInLull(); p.lull.next > until {
			break
		}
		s.instant = p.lull.next
		for side, end := range ends {
			end.passOneLoop(&p.lull.acks[side])
		}
	}
	s.instant = now
	p.lull.passing = false
	c.judgeLoop()
}

// passOneLoop has happen what is due at this instant at one end.
func (c *conn) passOneLoop(acks *fifo[lullAck]) {
	s, m := c.sim, c.tcp
	switch {
	case acks.len() > 0 && acks.first().at <= s.instant:
		i := acks.pop().index
		m.end.Input(s.instant, &s.segments.all[i].Segment)
		s.segments.drop(i)
	case m.end.NextBusy() <= s.instant:
		m.end.Expire(s.instant)
	default:
		return
	}
	c.outputLoop()
}

// bothEnds returns the ends, the dialler's first.
func (c *conn) bothEnds() [2]*conn {
	if c.side == dialler {
		return [2]*conn{c, c.peer}
	}
	return [2]*conn{c.peer, c}
}

// nextInLull returns when the next thing is due.
func (p *pair) nextInLull() time.Duration {
	next := netem.Never
	for side := range p.machines {
		next = min(next, p.machines[side].end.NextBusy())
		if acks := &p.lull.acks[side]; acks.len() > 0 {
			next = min(next, acks.first().at)
		}
	}
	return next
}

// dueLoop notes that something is due at a time.
func (q *lull) dueLoop(at time.Duration) { q.next = min(q.next, at) }

// lullLoop makes a connection quiet, or the contrary: then what is under way
// becomes events.
func (c *conn) lullLoop(on bool) {
	q := &c.tcp.pair.lull
	if q.on == on || q.passing {
		return
	}
	q.on = on
	if on {
		q.next = c.tcp.pair.nextInLull()
		return
	}
	for side, end := range c.bothEnds() {
		for acks := &q.acks[side]; acks.len() > 0; {
			ack := acks.pop()
			c.sim.travelInnerLocked(end.back, ack.at, event{what: segmentsArriving, conn: end, host: end.host, n: int(ack.index)})
		}
		end.armLoop()
	}
}

package simtest

import (
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// What an ideal stream has lost is sent again when the sender hears of it from later
// packets, or by the timer. So it may be unknown for a while when a piece arrives: it
// is pending, and so is what has left after it.

// A pending is what has left over one of the stream's flows, and arrives when that is
// known.
type pending struct {
	out   fifo[departure]
	wakes time.Duration // when the flow is asked again, if that is scheduled; else 0
}

// A departure has left over a hop. With failed it is what was lost too often.
type departure struct {
	transit
	failed bool
}

// leftAsLocked has something happen to the peer that has left as a piece; or if that
// has failed, to this end.
func (c *conn) leftAsLocked(piece *netem.Piece, e event) {
	if !piece.Pending && !piece.Failed {
		c.arriveAtLocked(piece.Arrive, e)
		return
	}
	c.passAsLocked(c.firstHop(), piece, c.transitTo(e))
}

// transitTo returns what passes to the peer, and has just left.
func (c *conn) transitTo(e event) transit {
	e.conn, e.host, e.line = c.peer, c.far, &c.line
	return transit{event: e, hold: c.route.holdsNow(), waiting: e.what == arriving && c.waitsBehindUp()}
}

// passAsLocked has something go on that passes a hop as a piece.
func (c *conn) passAsLocked(hop int, piece *netem.Piece, p transit) {
	d := departure{p, piece.Failed}
	if !piece.Pending {
		c.passedLocked(hop, piece.Arrive, &d)
		return
	}
	if c.pendings == nil {
		c.pendings = new([hops]pending)
	}
	c.pendings[hop].out.push(d)
	c.stepPendingLocked(hop)
}

// passedLocked has something go on that is at the end of a hop at the given time.
func (c *conn) passedLocked(hop int, at time.Duration, d *departure) {
	if d.failed {
		c.sim.callAtLocked(at, c.host, func() { c.giveUpLocked(syscall.ETIMEDOUT) })
		return
	}
	w := c.way()
	c.passLocked(hop+1, w.arrives(hop, at), d.transit)
}

// stepPendingLocked has what is pending go on as soon as it is known when it arrives.
func (c *conn) stepPendingLocked(hop int) {
	pending, w := &c.pendings[hop], c.way()
	flow := c.flowOver(&w, hop)
	for {
		at, ok := flow.Step(c.sim.instant)
		if !ok {
			break
		}
		d := pending.out.pop()
		c.passedLocked(hop, at, &d)
	}
	next := flow.Next()
	if next == netem.Never || pending.wakes != 0 && pending.wakes <= next {
		return
	}
	pending.wakes = next
	c.sim.callAtLocked(next, nil, func() {
		if pending.wakes == next {
			pending.wakes = 0
			c.stepPendingLocked(hop)
		}
	})
}

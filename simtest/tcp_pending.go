package simtest

import (
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A lost packet of an ideal stream is retransmitted when the sender learns of the loss
// from later packets, or by the timer. So the arrival time of a piece may be unknown
// for a while: the piece is pending, and so is everything sent after it.

// A pending holds the transits that have left over one of the stream's flows and have
// no arrival time yet.
type pending struct {
	out   fifo[departure]
	wakes time.Duration // time for which the flow's Step is scheduled; otherwise 0
}

// A departure is a transit that has left over a hop. If failed is set, it was lost too
// often.
type departure struct {
	transit
	failed bool
}

// leftAsLocked schedules an event for the peer, which has left as the given piece. If
// the piece has failed, it schedules the failure of this end.
func (c *conn) leftAsLocked(piece *netem.Piece, e event) {
	if !piece.Pending && !piece.Failed {
		c.arriveAtLocked(piece.Arrive, e)
		return
	}
	c.passAsLocked(c.firstHop(), piece, c.transitTo(e))
}

// transitTo returns the transit of an event for the peer that has just left.
func (c *conn) transitTo(e event) transit {
	e.conn, e.host, e.line = c.peer, c.far, &c.line
	return transit{event: e, hold: c.route.holdsNow(), waiting: e.what == arriving && c.waitsBehindUp()}
}

// passAsLocked continues with a transit that crosses a hop as the given piece.
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

// passedLocked continues with a departure that is at the end of a hop at the given
// time.
func (c *conn) passedLocked(hop int, at time.Duration, d *departure) {
	if d.failed {
		c.sim.callAtLocked(at, c.host, func() { c.giveUpLocked(syscall.ETIMEDOUT) })
		return
	}
	w := c.way()
	c.passLocked(hop+1, w.arrives(hop, at), d.transit)
}

// stepPendingLocked continues with pending departures as soon as their arrival times
// are known.
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

package simtest

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// An ideal stream with several hops crosses them one after the other. Before each hop it
// waits in a stage. The idealSender serves the first hop, as it does if there is only one.

// stages are the stages of an ideal stream, one for each hop.
type stages struct {
	all    [hops]stage
	ups    [2]netem.Flow // over the access lines
	failed bool          // a packet was lost too often, so nothing more arrives
}

// A stage is the queue before a hop.
type stage struct {
	out    fifo[transit]
	passed int64         // bytes that have passed
	wakes  time.Duration // time at which the next piece may pass, if an event is scheduled; otherwise 0
}

// A transit crosses the hops one by one. It consists of bytes, or of something after them
// that needs no capacity.
type transit struct {
	event          // its arrival at the receiver
	hold    int32  // the hold of its route, see holdsNow
	waiting bool   // its bytes do not count as left yet
	lost    func() // called on a loss, for a packet that is not retransmitted
}

// push appends to the queue. With join, bytes are merged with those before them.
func (s *stage) push(p transit, join bool) {
	if waiting := s.out.waiting(); join && len(waiting) > 0 {
		last := &waiting[len(waiting)-1]
		if last.what == arriving && p.what == arriving && last.hold == p.hold && last.waiting == p.waiting {
			last.n += p.n
			return
		}
	}
	s.out.push(p)
}

// bytes returns the number of bytes.
func (p *transit) bytes() int {
	if p.what == arriving {
		return p.n
	}
	return 0
}

// flowOver returns the stream's flow over a hop.
func (c *conn) flowOver(w *way, hop int) *netem.Flow {
	if hop == pairHop {
		return &c.flow
	}
	if c.stages == nil {
		c.stages = &stages{}
	}
	flow := &c.stages.ups[hop/2]
	if flow.Line() == nil {
		flow.Init(&w.hop(hop).line, c.flowName())
	}
	return flow
}

// firstFlow returns the stream's flow over its first hop.
func (c *conn) firstFlow() *netem.Flow {
	if c.firstHop() == pairHop {
		return &c.flow
	}
	w := c.way()
	return c.flowOver(&w, upHop)
}

// firstHop returns the stream's first hop.
func (c *conn) firstHop() int {
	if c.crosses() && c.host.access != nil {
		return upHop
	}
	return pairHop
}

// leaveFirstLocked continues with a transit that has passed the first hop.
func (c *conn) leaveFirstLocked(at time.Duration, p transit) {
	w, first := c.way(), c.firstHop()
	c.passLocked(first+1, w.arrives(first, at), p)
}

// upWhere returns the text that the trace adds to the reason of a drop at the first hop.
func (c *conn) upWhere() string {
	if c.crosses() && c.host.access != nil {
		return c.host.access.up.where
	}
	return ""
}

// setReturnsLocked sets the time that acknowledgements of the flows take to return.
func (c *conn) setReturnsLocked() {
	there, back := c.way(), c.peer.way()
	roundTrip := timeline.Add(there.latency(), back.latency())
	for i := range hops {
		if h := there.hop(i); h != nil {
			c.flowOver(&there, i).SetReturn(roundTrip - h.link.Latency)
		}
	}
}

// passLocked continues with a transit that has passed the hop before the given one. An
// event makes it enter the given hop, so that the order is kept.
func (c *conn) passLocked(hop int, at time.Duration, p transit) {
	w := c.way()
	for hop < hops && w.hop(hop) == nil {
		hop++
	}
	if hop == hops {
		c.sim.travelSinceLocked(c.route, p.hold, at, &p.event)
		return
	}
	c.sim.enterLaterLocked(at, func() { c.enterStageLocked(hop, p) })
}

// enterStageLocked queues a transit before a hop.
func (c *conn) enterStageLocked(hop int, p transit) {
	w := c.way()
	switch flow := c.flowOver(&w, hop); {
	case c.stages != nil && c.stages.failed:
	case p.lost != nil:
		arrive, arrives := flow.Ping(c.sim.instant)
		if !arrives {
			c.dropLocked(0, "lost"+w.where(hop))
			p.lost()
			return
		}
		c.passLocked(hop+1, w.arrives(hop, arrive), p)
	default:
		paced := hop == pairHop && c.route.link.Pace.Wait > 0 // without joining, the pace would wait after each packet
		c.stageLocked(hop).push(p, paced)
		c.passDueLocked(hop)
	}
}

// pingAcrossLocked sends a packet that is not retransmitted, and returns false if the
// first hop loses it. If another hop loses it, lost is called.
func (c *conn) pingAcrossLocked(do, lost func()) bool {
	arrive, arrives := c.firstFlow().Ping(c.sim.instant)
	if !arrives {
		c.dropLocked(0, "lost"+c.upWhere())
		return false
	}
	c.leaveFirstLocked(arrive, transit{
		event: event{conn: c.peer, host: c.far, line: &c.line, do: do},
		hold:  c.route.holdsNow(),
		lost:  lost,
	})
	return true
}

func (c *conn) stageLocked(hop int) *stage {
	if c.stages == nil {
		c.stages = &stages{}
	}
	return &c.stages.all[hop]
}

// passDueLocked sends the transits that can pass the hop by now.
func (c *conn) passDueLocked(hop int) {
	stage, w, now := c.stageLocked(hop), c.way(), c.sim.instant
	c.setReturnsLocked()
	for flow := c.flowOver(&w, hop); stage.out.len() > 0 && !c.stages.failed; {
		if free := flow.Free(); free > now {
			if stage.wakes != free {
				stage.wakes = free
				c.sim.enterLaterLocked(free, func() {
					if stage.wakes == free {
						stage.wakes = 0
						c.passDueLocked(hop)
					}
				})
			}
			return
		}
		next := stage.out.first()
		piece := flow.Send(now, next.bytes())
		c.dropPieceLocked(&piece, stage.passed, w.where(hop))
		if piece.Failed {
			c.stages.failed = true
			c.abandonLocked()
			c.passAsLocked(hop, &piece, transit{})
			return
		}
		passed := *next
		if next.bytes() > 0 {
			passed.n = piece.Bytes
			stage.passed += int64(piece.Bytes)
			if passed.waiting && hop == pairHop && !c.abandoned {
				passed.waiting = false
				c.leftLocked(piece.Bytes)
			}
			next.n -= piece.Bytes
		}
		if next.bytes() == 0 {
			stage.out.pop()
		}
		c.passAsLocked(hop, &piece, passed)
	}
}

// waitsBehindUp reports whether bytes that have left Up count as waiting until they
// have passed the link to the peer, because its queue is the shorter one.
func (c *conn) waitsBehindUp() bool {
	if !c.crosses() || c.host.access == nil {
		return false
	}
	up, link := c.host.access.up.link.Ahead(), c.route.link.Ahead()
	return link > 0 && (up == 0 || link < up)
}

// ahead returns the maximum number of bytes that are written but have not left, or 0 for no
// limit. It is the smaller limit of Up and the link to the peer.
func (c *conn) ahead() int {
	if c.crosses() && c.host.access != nil && !c.waitsBehindUp() {
		return c.host.access.up.link.Ahead()
	}
	return c.route.link.Ahead()
}

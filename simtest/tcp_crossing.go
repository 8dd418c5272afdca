package simtest

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A crossing is a segment on its way over several hops. It enters each by an event of
// its own, for others may be sent over a hop meanwhile. The events are inner ones, as
// those keep their order; the loop wakes for them if users see what they bring.
type crossing struct {
	segment netem.Segment
	id      netem.PacketID
	hop     int32 // that it enters next
	hold    int32 // whether its route holds it, see holdsNow
	waited  bool  // for an event
}

// Crossings are those that wait to enter a hop. They are in one slice, for reuse, and
// events know them by their index.
type crossings struct {
	all  []waitingCrossing
	free int32 // the first that is free, or none
}

// A waitingCrossing knows the next in the list of free ones.
type waitingCrossing struct {
	crossing
	next int32
}

func (s *crossings) put(x *crossing) int32 {
	if s.free == none {
		s.all = append(s.all, waitingCrossing{*x, none})
		return int32(len(s.all) - 1)
	}
	i := s.free
	s.free = s.all[i].next
	s.all[i].crossing = *x
	return i
}

func (s *crossings) take(i int32) crossing {
	s.all[i].next, s.free = s.free, i
	return s.all[i].crossing
}

// crosses reports whether there is an access on the way to the peer.
func (c *conn) crosses() bool { return hasAccess(c.host, c.far) }

// way returns the way to the peer.
func (c *conn) way() way { return wayOf(c.host, c.far, c.route) }

// latency returns the latency of the way to the peer.
func (c *conn) latency() time.Duration {
	if !c.crosses() {
		return c.route.link.Latency
	}
	w := c.way()
	return w.latency()
}

// ways returns the ways to the peer and back.
func (c *conn) ways() (there, back way) { return c.way(), wayOf(c.far, c.host, c.back) }

// losesNothing reports whether no segment without data is lost on the way to the peer,
// but by a full queue, and faults.
func (c *conn) losesNothing() bool {
	if !c.crosses() {
		return c.route.losesNothing
	}
	w := c.way()
	return w.all(func(h *hop) bool { return h.losesNothing })
}

// carriesAtOnce reports whether all that is sent to the peer at one instant arrives at
// one instant.
func (c *conn) carriesAtOnce() bool {
	w := c.way()
	return w.all((*hop).carriesAtOnce)
}

// leastLookahead returns how long it takes at least until something arrives at either
// end that an inner event sends, or takes to another hop.
func (c *conn) leastLookahead() time.Duration {
	if !c.crosses() {
		return min(c.route.lookahead, c.back.lookahead)
	}
	there, back := c.ways()
	return min(there.lookahead(), back.lookahead())
}

// crossLoop puts a segment on its way over several hops.
func (c *conn) crossLoop(segment *netem.Segment) {
	x := crossing{
		segment: *segment,
		id:      netem.PacketID{Flow: c.flowName(), Number: c.tcp.sent},
		hold:    c.route.holdsNow(),
	}
	w := c.way()
	c.goOnLoop(&w, &x, c.sim.instant)
}

// goOnLoop moves a segment on that reaches the end of a hop at the given time. It needs
// no event for a hop that only takes time, unless it has to wait for others there.
func (c *conn) goOnLoop(w *way, x *crossing, at time.Duration) {
	for ; x.hop < hops; x.hop++ {
		h := w.hop(int(x.hop))
		switch {
		case h == nil:
			continue
		case h.isClear:
			end := timeline.Add(at, h.link.Latency)
			if at = w.arrives(int(x.hop), end); at == end {
				continue
			}
			x.hop++
			c.enterLaterLoop(at, x)
		case at > c.sim.instant:
			c.enterLaterLoop(at, x)
		case h.waits():
			c.queueLoop(w, *x)
		default:
			c.enterLoop(w, x, nil)
		}
		return
	}
	if x.waited {
		c.arriveLaterLoop(at, &x.segment, x.hold)
	} else {
		c.flyLoop(at, &x.segment)
	}
}

// enterLaterLoop schedules that a segment enters its next hop.
func (c *conn) enterLaterLoop(at time.Duration, x *crossing) {
	s := c.sim
	x.waited = true
	if !isPureACK(&x.segment) {
		s.urgent.hops++
	}
	s.scheduleInnerLocked(at, event{what: entering, conn: c, n: int(s.crossings.put(x))})
}

// enteringLoop is what happens when a segment enters a hop.
func (c *conn) enteringLoop(i int32) {
	x := c.sim.crossings.take(i)
	if !isPureACK(&x.segment) {
		c.sim.urgent.hops--
	}
	w := c.way()
	c.goOnLoop(&w, &x, c.sim.instant)
	c.updateUrgencyLoop()
}

// enterLoop sends a segment over its next hop.
func (c *conn) enterLoop(w *way, x *crossing, tag any) {
	h := w.hop(int(x.hop))
	fate := h.line.Send(c.sim.instant, c.sizeLoop(&x.segment, h), x.id, tag)
	if fate.Drop != netem.NotDropped && fate.Drop != netem.Queued {
		c.lostLoop(&x.segment, fate.Drop.String()+w.where(int(x.hop)))
	}
	for i := range fate.Count {
		c.leaveHopLoop(w, x, &fate.Packets[i])
	}
}

// queueLoop is enterLoop for a hop that may queue packets.
func (c *conn) queueLoop(w *way, x crossing) {
	x.waited = true
	c.enterLoop(w, &x, &queued{
		arrives: func(packet netem.Packet) {
			w := c.way()
			c.leaveHopLoop(&w, &x, &packet)
			c.updateUrgencyLoop()
		},
		dropped: func(why netem.Drop) {
			w := c.way()
			c.lostLoop(&x.segment, why.String()+w.where(int(x.hop)))
		},
	})
	c.sim.stepLoop(w.hop(int(x.hop)))
}

// leaveHopLoop moves a segment on that has left a hop, and makes the crossing its
// duplicate's, in case that there is one.
func (c *conn) leaveHopLoop(w *way, x *crossing, packet *netem.Packet) {
	next := *x
	x.id = x.id.Copy()
	if packet.Flip >= 0 {
		c.lostLoop(&x.segment, "corrupted"+w.where(int(x.hop)))
		return
	}
	next.hop++
	c.goOnLoop(w, &next, w.arrives(int(x.hop), packet.Arrive))
}

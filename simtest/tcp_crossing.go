package simtest

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A crossing is a segment that crosses several hops. It enters each hop in an event of
// its own, since other segments may be sent over the hop in the meantime. The events
// are inner ones, which keep their order; the loop wakes for them if they have visible
// effects.
type crossing struct {
	segment netem.Segment
	id      netem.PacketID
	hop     int32 // the next hop
	hold    int32 // the hold of its route, see holdsNow
	waited  bool  // it has waited for an event
}

// crossings holds the crossings that wait to enter a hop. They are in one slice, for
// reuse, and events refer to them by index.
type crossings struct {
	all  []waitingCrossing
	free int32 // the first free one, or none
}

// A waitingCrossing links to the next free one.
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

// crosses reports whether the path to the peer crosses an access.
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

// losesNothing reports whether segments without data are never lost on the way to the
// peer, except by a full queue or by faults.
func (c *conn) losesNothing() bool {
	if !c.crosses() {
		return c.route.losesNothing
	}
	w := c.way()
	return w.all(func(h *hop) bool { return h.losesNothing })
}

// carriesAtOnce reports whether everything sent to the peer at one instant arrives at
// one instant.
func (c *conn) carriesAtOnce() bool {
	w := c.way()
	return w.all((*hop).carriesAtOnce)
}

// leastLookahead returns the least time until something that an inner event sends, or
// moves to another hop, arrives at either end.
func (c *conn) leastLookahead() time.Duration {
	if !c.crosses() {
		return min(c.route.lookahead, c.back.lookahead)
	}
	there, back := c.ways()
	return min(there.lookahead(), back.lookahead())
}

// crossLoop sends a segment over several hops.
func (c *conn) crossLoop(segment *netem.Segment) {
	x := crossing{
		segment: *segment,
		id:      netem.PacketID{Flow: c.flowName(), Number: c.tcp.sent},
		hold:    c.route.holdsNow(),
	}
	w := c.way()
	c.goOnLoop(&w, &x, c.sim.instant)
}

// goOnLoop continues with a segment that reaches the end of a hop at the given time. A
// hop that only adds latency needs no event, unless the segment has to wait for others
// there.
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
	s.scheduleInnerLocked(at, &event{what: entering, conn: c, n: int(s.crossings.put(x))})
}

// enteringLoop handles the event of a segment that enters a hop.
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

// leaveHopLoop continues with a segment that has left a hop, and turns the crossing
// into that of the segment's duplicate, if there is one.
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

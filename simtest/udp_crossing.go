package simtest

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
	"github.com/slowpoetry/slowpoetry/internal/timeline"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A datagramCrossing is a datagram that crosses several hops. It enters each hop in an
// inner event, as a segment does.
type datagramCrossing struct {
	sim      *Sim
	path     *packetPath
	from, to *Host
	data     []byte
	id       netem.PacketID // except on the link between the two hosts, which uses the flow's
	hop      int            // the next hop
	arrives  func(at time.Duration, data []byte)
	dropped  func(why string)
}

// crossLocked sends a datagram over several hops, and calls, now or later, arrives for
// each copy that arrives, or dropped with the reason if none does. number counts the
// socket's datagrams.
func (p *packetPath) crossLocked(from, to *Host, data []byte, number uint64, arrives func(at time.Duration, data []byte), dropped func(why string)) {
	id := netem.PacketID{Flow: mix64.Mix(p.flow.Name(), uint64(to.number)), Number: number}
	x := datagramCrossing{from.sim, p, from, to, data, id, 0, arrives, dropped}
	x.goOnLocked(from.sim.instant)
}

// way returns the way of the datagram.
func (x *datagramCrossing) way() way { return wayOf(x.from, x.to, x.path.route) }

// goOnLocked continues with a datagram that reaches the end of a hop at the given
// time.
func (x *datagramCrossing) goOnLocked(at time.Duration) {
	for w := x.way(); x.hop < hops; x.hop++ {
		h := w.hop(x.hop)
		switch {
		case h == nil:
			continue
		case h.isClear && (h.link.MTU == 0 || len(x.data) <= h.link.MTU):
			end := timeline.Add(at, h.link.Latency)
			if at = w.arrives(x.hop, end); at == end {
				continue
			}
			x.hop++
			x.enterLaterLocked(at)
		case at > x.sim.instant:
			x.enterLaterLocked(at)
		default:
			x.enterLocked()
		}
		return
	}
	x.arrives(at, x.data)
}

// enterLaterLocked continues with the datagram at a given time.
func (x *datagramCrossing) enterLaterLocked(at time.Duration) {
	x.sim.enterLaterLocked(at, func() { x.goOnLocked(x.sim.instant) })
}

// enterLaterLocked schedules, as an inner event, that something visible to users
// enters a hop.
func (s *Sim) enterLaterLocked(at time.Duration, enter func()) {
	s.urgent.hops++
	s.scheduleInnerLocked(at, &event{do: func() {
		s.urgent.hops--
		enter()
	}})
}

// enterLocked sends a datagram over its next hop.
func (x *datagramCrossing) enterLocked() {
	dropped := func(why netem.Drop) {
		w := x.way()
		x.dropped(why.String() + w.where(x.hop))
	}
	if x.hop == pairHop {
		x.path.sendLocked(x.sim, len(x.data), x.leaveHopLocked, dropped)
		return
	}
	w := x.way()
	h := w.hop(x.hop)
	var tag any
	if h.waits() {
		tag = &queued{x.leaveHopLocked, dropped}
	}
	fate := h.line.Send(x.sim.instant, len(x.data), x.id, tag)
	if tag != nil {
		x.sim.stepLoop(h)
	}
	if fate.Drop != netem.NotDropped && fate.Drop != netem.Queued {
		dropped(fate.Drop)
	}
	for _, packet := range fate.Packets[:fate.Count] {
		x.leaveHopLocked(packet)
	}
}

// leaveHopLocked continues with a datagram that has left a hop, and turns the crossing
// into that of the datagram's duplicate, if there is one.
func (x *datagramCrossing) leaveHopLocked(packet netem.Packet) {
	w, next := x.way(), *x
	x.id = x.id.Copy()
	next.data = flip(x.data, packet.Flip)
	next.hop++
	next.goOnLocked(w.arrives(x.hop, packet.Arrive))
}

package netem

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/enum"
	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// A Packet is a datagram or segment that arrives, or a copy of one.
type Packet struct {
	Leave  time.Duration // when its last byte has left the sender, or the line's queue
	Arrive time.Duration // when it can be read at the other end, or enters the next line

	// Flip is the bit that is changed under way, between 0 and 8 times the
	// packet's size, counted from the lowest bit of its first byte; -1 is none.
	Flip int
}

// A Fate is what becomes of a packet: it arrives, is dropped, or waits.
type Fate struct {
	Packets [2]Packet // that arrive
	Count   int       // how many: two if the packet was doubled
	Drop    Drop      // why none arrives; NotDropped if one does
}

// A Drop is why a packet does not arrive.
type Drop int

// What drops a packet.
const (
	NotDropped Drop = iota
	DroppedByLoss
	DroppedByQueue      // it was full
	DroppedByMTU        // the packet is larger
	DroppedByDiscipline // the queue's CoDel, because packets wait too long
	Queued              // not dropped yet: it waits, and Line.Step tells what becomes of it
)

// String returns the reason.
func (d Drop) String() string {
	return enum.Name("Drop", int(d), "not dropped", "loss", "queue full", "larger than the MTU", "queueing delay", "queued")
}

// Send puts a packet of n bytes on the line, all headers included, and returns
// what becomes of it. If that is not known yet because it depends on what else
// is sent, it is [Queued], and Step tells later, with the tag, which is the
// caller's. That is so only if the link's queue has a discipline.
//
// A packet that is lost takes no room on the line, and is lost before it could
// be dropped by a full queue.
func (l *Line) Send(now time.Duration, n int, id PacketID, tag any) (fate Fate) {
	link := l.link
	if link.drops(n) {
		fate.Drop = DroppedByMTU
		return fate
	}
	if !link.isFaulty() {
		l.carry(&fate, now, n, id, misfortune{})
		return fate
	}
	m := l.misfortune(drawsOf(l.seed, id), false)
	if m.lost {
		fate.Drop = DroppedByLoss
		return fate
	}
	l.carry(&fate, now, n, id, m)
	if m.duplicated && fate.Drop == NotDropped {
		l.carry(&fate, now, n, id.Copy(), m)
		fate.Drop = NotDropped // if there was no room, the first arrives
	}
	return fate
}

// carry puts one packet on its way, or drops it.
func (l *Line) carry(fate *Fate, now time.Duration, n int, id PacketID, m misfortune) {
	start, leave, admitted := l.enter(now, n)
	if !admitted {
		fate.Drop = DroppedByQueue
		return
	}
	packet := &fate.Packets[fate.Count]
	fate.Count++
	packet.Leave, packet.Flip = leave, -1
	if m.corrupted && n > 0 {
		packet.Flip = int(uint64(drawsOf(l.seed, id).roll(aboutFlip)) % (8 * uint64(n)))
	}
	delay := l.link.Latency
	if l.link.Jitter.Deviation > 0 {
		delay = l.latency(drawsOf(l.seed, id))
	}
	if m.reordered {
		delay = 0
	}
	packet.Arrive = timeline.Add(leave, delay)
	if l.link.Jitter.Deviation > 0 && l.link.hasCapacity() && !m.reordered {
		l.keepOrder(packet, now, delay, leave-start)
	}
	if l.link.Queue.CountDelayed {
		l.withState().delayed.add(packet.Arrive, n)
	}
}

// keepOrder makes a packet arrive after the one before it, as netem does where
// there is a rate: packets are delayed first and then pass, one after the other,
// so that what waits for the rate takes up the jitter.
func (l *Line) keepOrder(packet *Packet, now, delay, took time.Duration) {
	state := l.withState()
	if l.link.Rate > 0 {
		packet.Arrive = timeline.Add(max(timeline.Add(now, delay), state.last), took)
	}
	packet.Arrive = max(packet.Arrive, packet.Leave, state.last)
	state.last = packet.Arrive
}

// enter lets a packet pass if there is room for it, and returns when it begins
// to pass and when it has.
func (l *Line) enter(now time.Duration, n int) (start, leave time.Duration, admitted bool) {
	if l.link.Queue.CountDelayed && !l.withState().delayed.admits(&l.link.Queue, now, n) {
		return 0, 0, false
	}
	if l.state == nil && !l.link.hasCapacity() {
		return now, now, true
	}
	s, shift := l.serve()
	defer l.release()
	at := timeline.Add(now, shift)
	if !s.admits(l.link, at, n) {
		return 0, 0, false
	}
	start = max(now, timeline.Add(s.capacity.free, -shift))
	rate, replay := l.limits()
	passed, until := s.capacity.pass(at, n, rate, replay)
	for left := n - passed; left > 0; left -= passed {
		passed, until = s.capacity.pass(at, left, rate, replay)
	}
	if until > at {
		s.backlog.add(until, n)
	}
	return start, max(now, timeline.Add(until, -shift)), true
}

// free returns when the line has let pass all that was sent.
func (l *Line) free() time.Duration {
	if l.state == nil {
		return 0
	}
	s, shift := l.serve()
	defer l.release()
	return timeline.Add(s.capacity.free, -shift)
}

// Next returns when Step has to be called, or [Never].
func (l *Line) Next() time.Duration { return Never }

// A Departure is what has become of a packet that was [Queued].
type Departure struct {
	Packet      // if it is not dropped
	Tag    any  // its sender's
	Drop   Drop // NotDropped if it arrives
}

// Step returns the next packet whose fate is known by the given time, and
// whether there is one.
func (l *Line) Step(now time.Duration) (Departure, bool) { return Departure{}, false }

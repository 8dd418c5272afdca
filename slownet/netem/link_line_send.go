package netem

import (
	"fmt"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/enum"
	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// A Packet is a datagram or segment that arrives, or a copy of one.
type Packet struct {
	Leave  time.Duration // time at which its last byte has left the sender, or the line's queue
	Arrive time.Duration // time at which it can be read at the other end, or enters the next line

	// Flip is the bit that is flipped in transit: less than 8 times the packet's
	// size, counted from the lowest bit of the first byte; -1 is none.
	Flip int
}

// A Fate is the outcome for a packet: it arrives, is dropped, or waits.
type Fate struct {
	Packets [2]Packet // that arrive
	Count   int       // number of these: two if the packet was duplicated
	Drop    Drop      // the reason why none arrives; NotDropped if one does
}

// A Drop is the reason why a packet does not arrive.
type Drop int

// Reasons for dropping a packet.
const (
	NotDropped Drop = iota
	DroppedByLoss
	DroppedByQueue      // the queue was full
	DroppedByMTU        // the packet is larger than the MTU
	DroppedByDiscipline // the queue's CoDel, because packets wait too long
	Queued              // not dropped yet: it waits, and Line.Step returns its outcome
)

// String returns the reason.
func (d Drop) String() string {
	return enum.Name("Drop", int(d), "not dropped", "loss", "queue full", "larger than the MTU", "queueing delay", "queued")
}

// Send puts a packet of n bytes on the line, all headers included, and returns
// its outcome. If the queue has a discipline, the outcome may depend on later
// packets: then the packet is [Queued], and Step returns the outcome later, with
// the caller's tag. Next says when to call Step. If a packet is duplicated, one
// copy may be Queued and the other not, so check Next whatever Send returns.
//
// A lost packet takes no capacity: loss is decided before the queue is. Send
// panics if n is negative.
func (l *Line) Send(now time.Duration, n int, id PacketID, tag any) (fate Fate) {
	if l.state != nil && l.state.queue != nil {
		l.sendScheduled(now)
	}
	l.sendNow(&fate, now, n, id, tag)
	return fate
}

// sendNow decides the fate of a packet. The fate must be zero before.
func (l *Line) sendNow(fate *Fate, now time.Duration, n int, id PacketID, tag any) {
	link := l.link
	if n < 0 {
		panic(fmt.Sprintf("netem: a packet of %d bytes is sent: it must have 0 or more", n))
	}
	if link.drops(n) {
		fate.Drop = DroppedByMTU
		return
	}
	if !link.isFaulty() {
		l.transmit(fate, now, n, id, impairments{}, tag)
		return
	}
	m := l.impair(id, drawsOf(l.seed, id), false)
	if m.lost {
		fate.Drop = DroppedByLoss
		return
	}
	l.transmit(fate, now, n, id, m, tag)
	if first := fate.Drop; m.duplicated && (first == NotDropped || first == Queued) {
		l.transmit(fate, now, n, id.Copy(), m, tag)
		fate.Drop = first
	}
}

// transmit sends one packet over the line, or drops it.
func (l *Line) transmit(fate *Fate, now time.Duration, n int, id PacketID, m impairments, tag any) {
	if l.link.Queue.Discipline != FIFO && l.link.hasCapacity() {
		l.enqueue(fate, now, n, id, m, tag)
		return
	}
	start, leave, admitted := l.enter(now, n)
	if !admitted {
		fate.Drop = DroppedByQueue
		return
	}
	packet := &fate.Packets[fate.Count]
	fate.Count++
	var delay time.Duration
	delay, packet.Flip = l.transit(id, n, m)
	packet.Leave = leave
	l.send(packet, now, start, delay, n, m.reordered)
}

// transit returns the delay of a packet after it has left, and the bit of it
// that is flipped.
func (l *Line) transit(id PacketID, n int, m impairments) (delay time.Duration, flip int) {
	delay, flip = l.link.Latency, -1
	if l.link.Jitter.Deviation > 0 {
		delay = l.latency(id, drawsOf(l.seed, id))
	}
	if m.reordered {
		delay = 0
	}
	if m.corrupted && n > 0 {
		flip = int(uint64(l.overrides.roll(id, DrawnFlip, drawsOf(l.seed, id).roll(DrawnFlip))) % (8 * uint64(n)))
	}
	return delay, flip
}

// send sets the arrival time of a packet that reached the line at now and whose
// serialization began at start.
func (l *Line) send(packet *Packet, now, start, delay time.Duration, n int, reordered bool) {
	packet.Arrive = timeline.Add(packet.Leave, delay)
	if l.link.Jitter.Deviation > 0 && l.link.hasCapacity() && !reordered {
		l.keepOrder(packet, now, delay, packet.Leave-start)
	}
	if l.link.Queue.CountDelayed {
		ensure(&l.withState().delayed).add(packet.Arrive, n)
	}
}

// keepOrder makes a packet arrive after the one before it, as netem does where
// there is a rate: packets are delayed first and serialized afterwards, so the
// wait for the rate absorbs the jitter.
func (l *Line) keepOrder(packet *Packet, now, delay, took time.Duration) {
	state := l.withState()
	if l.link.Rate > 0 {
		packet.Arrive = timeline.Add(max(timeline.Add(now, delay), state.last), took)
	}
	packet.Arrive = max(packet.Arrive, packet.Leave, state.last)
	state.last = packet.Arrive
}

// enter serializes a packet if there is room for it, and returns the times at
// which that begins and ends.
func (l *Line) enter(now time.Duration, n int) (start, leave time.Duration, admitted bool) {
	if l.link.Queue.CountDelayed && !ensure(&l.withState().delayed).admits(&l.link.Queue, now, n, nil) {
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
	rate, replay := l.limits(l.link.Bottleneck)
	until := s.capacity.passAll(at, n, rate, replay)
	if until > at {
		s.backlog.add(until, n)
	}
	return start, max(now, timeline.Add(until, -shift)), true
}

// free returns the time at which the line has serialized everything that was
// sent.
func (l *Line) free() time.Duration {
	if l.state == nil {
		return 0
	}
	s, shift := l.serve()
	defer l.release()
	return timeline.Add(s.capacity.free, -shift)
}

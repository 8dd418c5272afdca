package netem

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// A Departure is the outcome for a packet that was [Queued].
type Departure struct {
	Packet      // if it is not dropped
	Tag    any  // as passed to Send
	Drop   Drop // NotDropped if it arrives
}

// A lineQueue is a line's state of packets that were Queued.
type lineQueue struct {
	boxes     []*outbox         // one for each server that the line has sent to
	scheduled []scheduledPacket // packets that enter the line in the future, in order
	ready     fifo[Departure]   // outcomes of scheduled packets
}

// A scheduledPacket enters the line in the future.
type scheduledPacket struct {
	at  time.Duration
	n   int
	id  PacketID
	tag any
}

// Next returns the time at which Step must be called, or [Never]. A time in the
// past means now. It may change with every Send and Step.
func (l *Line) Next() time.Duration {
	if l.state == nil || l.state.queue == nil {
		return Never
	}
	w, next := l.state.queue, Never
	if w.ready.len() > 0 {
		return 0
	}
	if len(w.scheduled) > 0 {
		next = w.scheduled[0].at
	}
	for _, box := range w.boxes {
		s := l.open(box.server)
		switch d := s.discipline; {
		case box.out.len() > 0:
			next = 0
		case box.waiting > 0 && d != nil && d.packets > 0:
			next = min(next, timeline.Add(d.free, -box.shift))
		}
		l.close(box.server)
	}
	return next
}

// Step returns the outcome for the next packet that was Queued, if it is known
// by the given time. The times in the Departure may lie before or after now: a
// driver that calls late costs the line no throughput.
func (l *Line) Step(now time.Duration) (Departure, bool) {
	if l.state == nil || l.state.queue == nil {
		return Departure{}, false
	}
	w := l.state.queue
	l.sendScheduled(now)
	if w.ready.len() > 0 {
		return w.ready.pop(), true
	}
	for i, box := range w.boxes {
		s := l.open(box.server)
		rate, replay := l.limits(box.server)
		s.advance(timeline.Add(now, box.shift), rate, replay)
		if box.out.len() > 0 {
			o := box.out.pop()
			l.close(box.server)
			return Departure{Packet: l.depart(&o), Tag: o.tag, Drop: o.drop}, true
		}
		isOver := box.waiting == 0 && box.server != l.link.Bottleneck
		l.close(box.server)
		if isOver { // another bottleneck has replaced it
			w.boxes = append(w.boxes[:i], w.boxes[i+1:]...)
			return l.Step(now)
		}
	}
	return Departure{}, false
}

// outbox returns the outbox of the line's present server.
func (l *Line) outbox(shift time.Duration) *outbox {
	w := ensure(&l.withState().queue)
	for _, box := range w.boxes {
		if box.server == l.link.Bottleneck && box.shift == shift {
			return box
		}
	}
	box := &outbox{server: l.link.Bottleneck, shift: shift}
	w.boxes = append(w.boxes, box)
	return box
}

// enqueue puts a packet into a queue with a discipline, or drops it.
func (l *Line) enqueue(fate *Fate, now time.Duration, n int, id PacketID, m impairments, tag any) {
	s, shift := l.serve()
	defer l.release()
	at := timeline.Add(now, shift)
	rate, replay := l.limits(l.link.Bottleneck)
	s.advance(at, rate, replay)
	d, box, queue := ensure(&s.discipline), l.outbox(shift), &l.link.Queue
	isIdle := d.packets == 0 && d.free <= at
	number := uint64(0)
	if queue.Discipline == FQCoDel {
		number = splitMix64(splitMix64(l.seed)+id.Flow) % fairQueues
	} else if !isIdle && !d.holds(queue, at, d.packets+1, d.bytes+max(1, n)) {
		fate.Drop = DroppedByQueue
		return
	}
	if queue.CountDelayed && !ensure(&l.state.delayed).admits(queue, now, n, box) {
		fate.Drop = DroppedByQueue
		return
	}
	box.serial++
	p := queuedPacket{sent: at, bytes: n, reordered: m.reordered, tag: tag, box: box, serial: box.serial}
	p.delay, p.flip = l.transit(id, n, m)
	isBehind := box.out.len() > 0
	d.enqueue(number, p, l.link.PacketSize())
	for queue.Discipline == FQCoDel && !isIdle && d.packets > 0 && !d.holds(queue, at, d.packets, d.bytes) {
		d.dropFromLongest()
	}
	s.advance(at, rate, replay)
	if isBehind || box.out.len() != 1 || box.out.first().serial != p.serial || box.out.first().drop != NotDropped {
		fate.Drop = Queued
		return
	}
	o := box.out.pop()
	fate.Packets[fate.Count] = l.depart(&o)
	fate.Count++
}

// depart returns a packet that has left a queue.
func (l *Line) depart(o *outcome) (packet Packet) {
	if o.drop != NotDropped {
		return packet
	}
	start, leave := timeline.Add(o.start, -o.box.shift), timeline.Add(o.leave, -o.box.shift)
	packet = Packet{Leave: leave, Flip: o.flip}
	l.send(&packet, start, start, o.delay, o.bytes, o.reordered)
	return packet
}

// sendAt makes a packet enter the line at a time in the future.
func (l *Line) sendAt(at time.Duration, n int, id PacketID, tag any) {
	w := ensure(&l.withState().queue)
	w.scheduled = append(w.scheduled, scheduledPacket{at, n, id, tag})
	for i := len(w.scheduled) - 1; i > 0 && w.scheduled[i-1].at > at; i-- {
		w.scheduled[i-1], w.scheduled[i] = w.scheduled[i], w.scheduled[i-1]
	}
}

// sendScheduled sends the scheduled packets that are due by now.
func (l *Line) sendScheduled(now time.Duration) {
	w := l.state.queue
	for len(w.scheduled) > 0 && w.scheduled[0].at <= now {
		next := w.scheduled[0]
		w.scheduled = w.scheduled[:copy(w.scheduled, w.scheduled[1:])]
		var fate Fate
		l.sendNow(&fate, next.at, next.n, next.id, next.tag)
		for _, packet := range fate.Packets[:fate.Count] {
			w.ready.push(Departure{Packet: packet, Tag: next.tag})
		}
		if fate.Drop != NotDropped && fate.Drop != Queued {
			w.ready.push(Departure{Tag: next.tag, Drop: fate.Drop})
		}
	}
}

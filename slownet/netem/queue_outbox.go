package netem

import "time"

// An outbox holds the outcomes of a line's packets that waited at a server. If
// the server belongs to a bottleneck, the bottleneck's lock guards both.
type outbox struct {
	server  *Bottleneck   // nil for the line's own server
	shift   time.Duration // added to the line's times to get the server's
	waiting int           // packets in the queue
	bytes   int           // of those packets
	serial  int           // of the latest packet
	out     fifo[outcome]
}

// An outcome is a packet that no longer waits.
type outcome struct {
	queuedPacket
	start, leave time.Duration // on the server's time line
	drop         Drop
}

// dropped records that a packet was dropped.
func (b *outbox) dropped(p *queuedPacket, drop Drop) {
	b.out.push(outcome{queuedPacket: *p, drop: drop})
}

// advance removes the packets that leave the queue by the given time.
func (s *server) advance(now time.Duration, rate Rate, replay *Replay) {
	d := s.discipline
	for d != nil && d.packets > 0 && d.free <= now {
		p, ok := d.dequeue(d.free)
		if !ok {
			return
		}
		start := max(d.free, s.capacity.free)
		d.passing = p.size()
		d.free = s.capacity.passAll(d.free, p.bytes, rate, replay)
		p.box.out.push(outcome{queuedPacket: p, start: start, leave: d.free})
	}
}

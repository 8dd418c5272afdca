package netem

import "time"

// An outbox holds what has become of a line's packets that waited at a server.
// Like the server it is guarded by the lock of the bottleneck whose server that
// is, if it is one's.
type outbox struct {
	server  *Bottleneck   // nil for the line's own server
	shift   time.Duration // makes the line's times the server's
	waiting int           // packets
	bytes   int           // of those
	serial  int           // of the packet that came last
	out     fifo[outcome]
}

// An outcome is a packet that waits no more.
type outcome struct {
	queuedPacket
	start, leave time.Duration // on the server's time line
	drop         Drop
}

// dropped notes that a packet was dropped.
func (b *outbox) dropped(p *queuedPacket, drop Drop) {
	b.out.push(outcome{queuedPacket: *p, drop: drop})
}

// advance takes out of the queue what leaves it by the given time.
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

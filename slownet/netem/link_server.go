package netem

import "time"

// A server is what packets wait for: a rate or a replay, and the queue before
// it. A line has one, and so has a bottleneck.
type server struct {
	capacity   capacity
	backlog    *backlog    // of what is served in order; nil as long as it was not needed
	discipline *discipline // of the rest; the same
}

// admits reports whether there is room for a packet that comes at the given
// time. One that needs not wait finds room in any queue.
func (s *server) admits(link *Link, now time.Duration, n int) bool {
	b := ensure(&s.backlog)
	b.forget(now)
	return s.capacity.free <= now || b.hasRoom(&link.Queue, n)
}

// A backlog counts packets in a queue that is served in order.
type backlog struct {
	packets []backlogPacket
	gone    int // how many of the first no longer wait
	bytes   int // of the others
}

// backlogPacket is a packet in a queue. One without bytes takes the room of one.
type backlogPacket struct {
	until time.Duration
	bytes int
}

// add adds a packet that waits until the given time.
func (b *backlog) add(until time.Duration, n int) {
	n = max(1, n)
	b.packets = append(b.packets, backlogPacket{until, n})
	b.bytes += n
}

// forget takes out what waits no more.
func (b *backlog) forget(now time.Duration) {
	for b.gone < len(b.packets) && b.packets[b.gone].until <= now {
		b.bytes -= b.packets[b.gone].bytes
		b.gone++
	}
	if b.gone > len(b.packets)/2 { // now and then, for it costs what the queue is long
		b.packets = append(b.packets[:0], b.packets[b.gone:]...)
		b.gone = 0
	}
}

// hasRoom reports whether a packet of n bytes finds room.
func (b *backlog) hasRoom(queue *Queue, n int) bool {
	packets, bytes := queue.limits()
	return len(b.packets)-b.gone < packets && max(1, n) <= bytes-b.bytes
}

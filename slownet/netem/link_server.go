package netem

import "time"

// A server serializes packets: a rate or a replay, and the queue in front of
// it. A line has one, and so has a bottleneck.
type server struct {
	capacity   capacity
	backlog    *backlog    // of packets served in order; nil until needed
	discipline *discipline // of all other packets; nil until needed
}

// admits reports whether there is room for a packet that arrives at the given
// time. A packet that need not wait always has room.
func (s *server) admits(link *Link, now time.Duration, n int) bool {
	b := ensure(&s.backlog)
	b.forget(now)
	return s.capacity.free <= now || b.hasRoom(&link.Queue, n)
}

// A backlog counts packets in a queue that is served in order.
type backlog struct {
	packets []backlogPacket
	gone    int // number of packets at the front that no longer wait
	bytes   int // of the packets that wait
}

// A backlogPacket is a packet in a queue. An empty packet counts as one byte.
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

// forget removes packets that no longer wait.
func (b *backlog) forget(now time.Duration) {
	for b.gone < len(b.packets) && b.packets[b.gone].until <= now {
		b.bytes -= b.packets[b.gone].bytes
		b.gone++
	}
	if b.gone > len(b.packets)/2 { // rarely: the copy takes time proportional to the queue
		b.packets = append(b.packets[:0], b.packets[b.gone:]...)
		b.gone = 0
	}
}

// hasRoom reports whether there is room for a packet of n bytes.
func (b *backlog) hasRoom(queue *Queue, n int) bool {
	packets, bytes := queue.limits()
	return len(b.packets)-b.gone < packets && max(1, n) <= bytes-b.bytes
}

package netem

import "time"

// delayed counts the packets in flight, in whatever order they arrive.
type delayed struct {
	heap  []backlogPacket // by arrival time
	bytes int
}

// admits reports whether there is room for one more packet, besides those that
// wait in the outbox's queue; a nil outbox has none. If nothing is in flight
// and nothing waits, there is always room.
func (d *delayed) admits(queue *Queue, now time.Duration, n int, box *outbox) bool {
	for len(d.heap) > 0 && d.heap[0].until <= now {
		d.pop()
	}
	packets, bytes := queue.limits()
	if box != nil {
		packets -= box.waiting
		bytes -= box.bytes
	}
	return len(d.heap) < packets && max(1, n) <= bytes-d.bytes || len(d.heap) == 0 && (box == nil || box.waiting == 0)
}

// add adds a packet that arrives at the given time.
func (d *delayed) add(until time.Duration, n int) {
	n = max(1, n)
	d.bytes += n
	d.heap = append(d.heap, backlogPacket{until, n})
	for i := len(d.heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if d.heap[parent].until <= d.heap[i].until {
			return
		}
		d.heap[parent], d.heap[i] = d.heap[i], d.heap[parent]
		i = parent
	}
}

// pop removes the packet that arrives first.
func (d *delayed) pop() {
	d.bytes -= d.heap[0].bytes
	last := len(d.heap) - 1
	d.heap[0] = d.heap[last]
	d.heap = d.heap[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return
		}
		if child+1 < last && d.heap[child+1].until < d.heap[child].until {
			child++
		}
		if d.heap[i].until <= d.heap[child].until {
			return
		}
		d.heap[i], d.heap[child] = d.heap[child], d.heap[i]
		i = child
	}
}

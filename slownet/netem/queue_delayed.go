package netem

import "time"

// delayed counts the packets that have been sent and have not arrived, in
// whatever order they do.
type delayed struct {
	heap  []backlogPacket // by the time until which they are under way
	bytes int
}

// admits reports whether there is room for one more packet, besides those that
// wait in a queue with a discipline; nil is none. One that finds nothing under
// way always passes.
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

// pop takes out the packet that arrives first.
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

package proxy

import "time"

// An item travels in one direction of a connection: bytes, a datagram, or the end
// of the stream.
type item struct {
	data []byte
	at   time.Duration // time at which it came to its stage
	kind itemKind
}

type itemKind uint8

const (
	bytesItem  itemKind = iota
	endItem             // the source has ended its stream
	resetItem           // the source has reset the connection
	finishItem          // a toxic ends the connection after the items before this one
)

// A fifo is a queue of items.
type fifo struct {
	items []item
	size  int // bytes
}

func (q *fifo) push(it item) {
	q.items = append(q.items, it)
	q.size += len(it.data)
}

func (q *fifo) pop() item {
	it := q.items[0]
	q.items[0] = item{}
	q.items = q.items[1:]
	q.size -= len(it.data)
	return it
}

func (q *fifo) isEmpty() bool { return len(q.items) == 0 }

// takeAll empties the queue.
func (q *fifo) takeAll() []item {
	all := q.items
	*q = fifo{}
	return all
}

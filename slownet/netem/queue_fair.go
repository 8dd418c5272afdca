package netem

import "time"

// The parameters of FQ-CoDel: RFC 8290, section 5.2.
const (
	fairQueues = 1024
	quantum    = 1514 // bytes that a queue may send per turn: an Ethernet frame
)

// A discipline is a queue with CoDel or FQ-CoDel. CoDel is FQ-CoDel with a
// single queue.
type discipline struct {
	queues             []*flowQueue // by the hash of a flow; nil until needed
	newFlows, oldFlows flowList     // of RFC 8290: flows that have just become active, and the others
	packets            int
	bytes              int
	free               time.Duration // time at which the packet removed last has left
	passing            int           // the room that it takes until then
}

// A flowQueue is the queue of one flow, or of several flows with the same hash.
type flowQueue struct {
	codel     codel
	packets   fifo[queuedPacket]
	bytes     int
	maxPacket int // the size of a packet: CoDel keeps at least one
	deficit   int // bytes that it may still send in its turn
	isListed  bool
	next      *flowQueue // in its list
}

// A queuedPacket is a packet that waits.
type queuedPacket struct {
	sent      time.Duration // on the server's time line
	bytes     int
	delay     time.Duration // after it has left
	reordered bool
	flip      int
	tag       any
	box       *outbox
	serial    int // in its outbox
}

func (q *flowQueue) pop() queuedPacket {
	p := q.packets.pop()
	q.bytes -= p.size()
	return p
}

// size returns the room that the packet takes in the queue.
func (p *queuedPacket) size() int { return max(1, p.bytes) }

// enqueue puts a packet into the queue with the given number.
func (d *discipline) enqueue(number uint64, p queuedPacket, maxPacket int) {
	if d.queues == nil {
		d.queues = make([]*flowQueue, fairQueues)
	}
	q := d.queues[number]
	if q == nil {
		q = &flowQueue{}
		d.queues[number] = q
	}
	if d.packets == 0 {
		d.free = max(d.free, p.sent)
	}
	q.maxPacket = maxPacket
	q.packets.push(p)
	q.bytes += p.size()
	d.packets++
	d.bytes += p.size()
	p.box.waiting++
	p.box.bytes += p.size()
	if !q.isListed {
		q.isListed, q.deficit = true, quantum
		d.newFlows.push(q)
	}
}

// dequeue removes the packet whose turn it is, by deficit round robin: RFC
// 8290, section 4.2. It reports false if all were dropped.
func (d *discipline) dequeue(now time.Duration) (queuedPacket, bool) {
	drop := func(p queuedPacket) {
		d.remove(&p)
		p.box.dropped(&p, DroppedByDiscipline)
	}
	for {
		list := &d.newFlows
		if list.first == nil {
			list = &d.oldFlows
		}
		q := list.first
		if q == nil {
			return queuedPacket{}, false
		}
		if q.deficit <= 0 {
			q.deficit += quantum
			list.pop()
			d.oldFlows.push(q)
			continue
		}
		if p, ok := q.codel.dequeue(now, q, drop); ok {
			d.remove(&p)
			q.deficit -= p.size()
			return p, true
		}
		list.pop()
		if list == &d.newFlows { // so that a flow of single packets is not always first
			d.oldFlows.push(q)
		} else {
			q.isListed = false
		}
	}
}

// holds reports whether the queue has room for that many packets and bytes
// besides the packet that is being serialized, which counts as it does in a
// FIFO.
func (d *discipline) holds(queue *Queue, at time.Duration, packets, bytes int) bool {
	if d.free > at {
		packets, bytes = packets+1, bytes+d.passing
	}
	return queue.Holds(packets, bytes)
}

// remove updates the counts for a packet that was removed.
func (d *discipline) remove(p *queuedPacket) {
	d.packets--
	d.bytes -= p.size()
	p.box.waiting--
	p.box.bytes -= p.size()
}

// dropFromLongest drops the first packet of the queue with the most bytes: RFC
// 8290, section 4.1.
func (d *discipline) dropFromLongest() {
	var longest *flowQueue
	for _, list := range []*flowList{&d.newFlows, &d.oldFlows} {
		for q := list.first; q != nil; q = q.next {
			if longest == nil || q.bytes > longest.bytes {
				longest = q
			}
		}
	}
	p := longest.pop()
	d.remove(&p)
	p.box.dropped(&p, DroppedByQueue)
}

// A flowList is a list of queues that take turns.
type flowList struct{ first, last *flowQueue }

func (l *flowList) push(q *flowQueue) {
	q.next = nil
	if l.first == nil {
		l.first = q
	} else {
		l.last.next = q
	}
	l.last = q
}

// pop removes the first. There must be one.
func (l *flowList) pop() {
	q := l.first
	l.first, q.next = q.next, nil
}

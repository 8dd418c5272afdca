package netem

import "time"

// Acknowledgements are delayed by up to delayedAck, except for the first
// quickAcks segments, and again after a pause.
const (
	delayedAck = 40 * time.Millisecond
	quickAcks  = 16
)

// A receiver is the receiving half of an [End].
type receiver struct {
	ackAt       time.Duration // the latest time for the next acknowledgement, or Never
	mustAck     bool          // an acknowledgement is to be sent now
	ackPending  bool          // a payload has not been acknowledged
	interactive bool          // data is answered with data: quick is ignored
	ended       bool          // the FIN and everything before it have arrived
	quick       int32         // number of segments that are still acknowledged at once
	next        int64         // the first byte that has not arrived
	consumed    int64         // by the application
	acked       int64         // Ack of the last segment sent
	advertised  int64         // the right edge of the window in the last segment sent
	last        time.Duration // arrival time of the last payload
	atOnce      int           // bytes of payload that arrived at that instant
	recentTS    time.Duration // to be echoed
	finAt       int64         // sequence number of the FIN, or none
	buffer      receiveBuffer
	reassembly  *reassembly // nil while everything has arrived once and in order
}

// A reassembly is the state of data that has arrived out of order, or more than
// once.
type reassembly struct {
	duplicate  Block   // bytes that arrived twice, to be reported once
	outOfOrder []Block // blocks that have arrived above next, in order
	recent     []int64 // the starts of these blocks, the most recently changed first
}

// ensureReassembly returns the reassembly state, and creates it if there is none.
func (r *receiver) ensureReassembly() *reassembly {
	if r.reassembly == nil {
		r.reassembly = &reassembly{}
	}
	return r.reassembly
}

// outOfOrder returns the blocks that have arrived above next, in order.
func (r *receiver) outOfOrder() []Block {
	if r.reassembly == nil {
		return nil
	}
	return r.reassembly.outOfOrder
}

func (r *receiver) init(tcp TCP, now time.Duration) {
	r.ackAt = Never
	r.quick = quickAcks
	r.last = now
	r.finAt = none
	r.buffer.init(tcp.Window, now)
	r.advertised = int64(r.buffer.window)
}

// echo stores the timestamp to be echoed (RFC 7323). That of a segment that ends below the
// last acknowledgement is not: it is outside the window.
func (r *receiver) echo(p *Segment) {
	if p.Seq <= r.acked && p.end() >= r.acked {
		r.recentTS = max(r.recentTS, p.TSVal)
	}
}

// arrive processes a payload.
func (r *receiver) arrive(now time.Duration, p *Segment, timeout time.Duration) {
	if now-r.last > timeout {
		r.quick = quickAcks // the sender is in slow start again
	}
	if r.last != now {
		r.last, r.atOnce = now, 0
	}
	r.atOnce += p.Len
	r.buffer.measure(now, p.TSEcr, r.next == r.consumed)
	r.buffer.arrive(int32(p.Len))
	inOrder := true // and nothing has arrived after a gap
	if end := p.Seq + int64(p.Len); r.reassembly == nil && r.finAt == none && p.Flags&FIN == 0 && p.Seq <= r.next && r.next < end {
		r.next = end
	} else {
		inOrder = r.reassemble(p)
	}
	if r.buffer.grow(p.Len, r.heldBefore(p.Len)) {
		r.quick |= 1 // as in Linux: an even number grows, an odd one does not
	}
	r.ackPending = true
	switch {
	case !inOrder || r.ended, r.quick > 0 && !r.interactive:
		r.mustAck = true
	case r.next-r.acked > MSS:
		r.mustAck = true
	case r.ackAt == Never:
		r.ackAt = now + delayedAck
	}
}

// reassemble processes a payload that may not be the next one. It reports whether the
// payload is in order and nothing has arrived after a gap.
func (r *receiver) reassemble(p *Segment) bool {
	start, end := p.Seq, p.end()
	if p.Flags&FIN != 0 {
		r.finAt = end - 1
	}
	isNext, hadGaps := start <= r.next && r.next < end, len(r.outOfOrder()) > 0
	switch {
	case end <= r.next:
		r.ensureReassembly().duplicate = Block{start, end}
	case isNext:
		r.next = end
		if hadGaps {
			r.next = r.reassembly.advance(end)
		}
	default:
		r.ensureReassembly().insert(Block{start, end})
	}
	r.ended = r.finAt != none && r.next > r.finAt
	if r.reassembly != nil && r.reassembly.duplicate != (Block{}) {
		r.quick, r.interactive = max(r.quick, quickAcks), false // our acknowledgement was lost
	}
	return isNext && !hadGaps
}

// received returns the number of bytes that have arrived in order.
func (r *receiver) received() int64 {
	if r.ended {
		return r.finAt
	}
	return r.next
}

// unread returns the number of bytes that the application can read.
func (r *receiver) unread() int64 { return r.received() - r.consumed }

// held returns the number of buffered bytes: those that the application has not
// read, and those after a gap.
func (r *receiver) held() int64 {
	held := r.unread()
	for _, b := range r.outOfOrder() {
		held += b.End - b.Start
	}
	return held
}

// heldBefore returns the number of bytes that would be buffered if the
// application had read everything that arrived at this instant before the last n
// bytes.
func (r *receiver) heldBefore(n int) int64 {
	held := r.held()
	return max(min(held, int64(n)), held-int64(r.atOnce-n))
}

// advance removes the blocks that next has reached, and returns the end of the
// last of them, or next.
func (d *reassembly) advance(next int64) int64 {
	done := 0
	for ; done < len(d.outOfOrder) && d.outOfOrder[done].Start <= next; done++ {
		next = max(next, d.outOfOrder[done].End)
		d.forget(d.outOfOrder[done].Start)
	}
	d.outOfOrder = append(d.outOfOrder[:0], d.outOfOrder[done:]...)
	return next
}

// insert adds a block above next and merges it with its neighbors.
func (d *reassembly) insert(b Block) {
	i := len(d.outOfOrder)
	for i > 0 && d.outOfOrder[i-1].End >= b.Start {
		i-- // the first that it touches
	}
	j := i
	for ; j < len(d.outOfOrder) && d.outOfOrder[j].Start <= b.End; j++ {
		if d.outOfOrder[j].Start <= b.Start && b.End <= d.outOfOrder[j].End {
			d.duplicate = b
		}
		b.Start, b.End = min(b.Start, d.outOfOrder[j].Start), max(b.End, d.outOfOrder[j].End)
	}
	for _, joined := range d.outOfOrder[i:j] {
		d.forget(joined.Start)
	}
	if i == j {
		d.outOfOrder = append(d.outOfOrder, Block{})
		copy(d.outOfOrder[i+1:], d.outOfOrder[i:])
	} else {
		d.outOfOrder = append(d.outOfOrder[:i+1], d.outOfOrder[j:]...)
	}
	d.outOfOrder[i] = b
	d.recent = append(d.recent, 0)
	copy(d.recent[1:], d.recent)
	d.recent[0] = b.Start
}

// forget removes a block from the recent ones.
func (d *reassembly) forget(start int64) {
	for i, s := range d.recent {
		if s == start {
			d.recent = append(d.recent[:i], d.recent[i+1:]...)
			return
		}
	}
}

// read records that the application has read bytes.
func (r *receiver) read(now time.Duration, n int) {
	waiting := r.unread() - int64(min(n, MSS)) // after the first segment of them
	if r.last == now {
		waiting -= int64(max(0, r.atOnce-MSS)) // packets that arrive one by one are read sooner
	}
	r.buffer.adapt(now, r.consumed, int(max(0, waiting)), n, r.beyond())
	r.consumed += int64(n)
	if r.ended {
		return // the peer sends nothing more, and may be gone
	}
	// Send a window update when a nearly closed window opens again.
	if wide := 2 * int(r.advertised-r.next); wide <= r.buffer.window {
		if room := r.buffer.room(r.held()); room >= wide && room >= min(MSS, r.buffer.size/2) {
			r.mustAck = true
		}
	}
}

// beyond returns the distance from next to the end of the data that has arrived.
func (r *receiver) beyond() int {
	gaps := r.outOfOrder()
	if len(gaps) == 0 {
		return 0
	}
	return int(gaps[len(gaps)-1].End - r.next)
}

// expire sends the delayed acknowledgement.
func (r *receiver) expire(now time.Duration) {
	if r.ackAt <= now {
		r.mustAck, r.ackAt = true, Never
	}
}

// acknowledge fills in a segment's acknowledgement and window.
func (r *receiver) acknowledge(now time.Duration, p *Segment) {
	if p.Len > 0 && now-r.last < delayedAck && r.next > 0 {
		r.interactive = true
	}
	p.Ack, p.TSEcr = r.next, r.recentTS
	r.advertised = max(r.advertised, r.next+int64(r.buffer.room(r.held())))
	p.Window = int(r.advertised - r.next)
	if r.reassembly != nil {
		r.reassembly.report(p)
	}
	if r.ackPending {
		r.quick = max(0, r.quick-1)
	}
	r.acked, r.ackPending, r.mustAck, r.ackAt = r.next, false, false, Never
}

// report fills in a segment's selective acknowledgements.
func (d *reassembly) report(p *Segment) {
	if d.duplicate != (Block{}) {
		p.SACK[0], p.SACKs = d.duplicate, 1
		d.duplicate = Block{}
	}
	for _, start := range d.recent {
		if p.SACKs == len(p.SACK) {
			break
		}
		for _, b := range d.outOfOrder {
			if b.Start == start {
				p.SACK[p.SACKs] = b
				p.SACKs++
			}
		}
	}
}

package netem

import "time"

// Acknowledgements are delayed by up to delayedAck, but for the first quickAcks
// segments and for those after a pause.
const (
	delayedAck = 40 * time.Millisecond
	quickAcks  = 16
)

// A receiver is the half of an [End] that receives.
type receiver struct {
	ackAt       time.Duration // when to acknowledge at the latest, or Never
	mustAck     bool          // now
	due         bool          // a payload waits for its acknowledgement
	interactive bool          // data is answered with data: quick is ignored
	ended       bool          // the FIN has arrived, and all before it
	quick       int           // segments to be acknowledged at once
	next        int64         // the first byte that has not arrived
	consumed    int64         // by the application
	acked       int64         // Ack of the last segment sent
	told        int64         // end of the window of the last segment sent
	last        time.Duration // when the last payload arrived
	atOnce      int           // bytes of payload that arrived then
	recentTS    time.Duration // to be echoed
	finAt       int64         // sequence number of the FIN, or none
	buffer      receiveBuffer
	twice       Block   // bytes that have arrived twice, to be reported once
	gaps        []Block // blocks that have arrived beyond next, in order
	recent      []int64 // where blocks start, the one that changed last first
}

func (r *receiver) init(tcp TCP, now time.Duration) {
	r.ackAt = Never
	r.quick = quickAcks
	r.last = now
	r.finAt = none
	r.buffer.init(tcp.Window, now)
	r.told = int64(r.buffer.window)
}

// echo notes the timestamp that goes back, by RFC 7323.
func (r *receiver) echo(p *Segment) {
	if p.Seq <= r.acked {
		r.recentTS = max(r.recentTS, p.TSVal)
	}
}

// arrive takes a payload.
func (r *receiver) arrive(now time.Duration, p *Segment, timeout time.Duration) {
	if now-r.last > timeout {
		r.quick = quickAcks // the sender is in slow start again
	}
	if r.last != now {
		r.last, r.atOnce = now, 0
	}
	r.atOnce += p.Len
	r.buffer.measure(now, p.TSEcr)
	start, end := p.Seq, p.end()
	if p.Flags&FIN != 0 {
		r.finAt = end - 1
	}
	inOrder, hadGaps := start <= r.next && r.next < end, len(r.gaps) > 0
	switch {
	case end <= r.next:
		r.twice = Block{start, end}
	case inOrder:
		r.next = end
		r.close()
	default:
		r.insert(Block{start, end})
	}
	r.ended = r.finAt != none && r.next > r.finAt
	if r.twice != (Block{}) {
		r.quick, r.interactive = max(r.quick, quickAcks), false // the acknowledgement was lost
	}
	if r.buffer.grow(p.Len, r.heldBefore(p.Len)) {
		r.quick |= 1 // as in Linux: an even number grows, an odd one does not
	}
	r.due = true
	switch {
	case !inOrder || hadGaps || r.ended, r.quick > 0 && !r.interactive:
		r.mustAck = true
	case r.next-r.acked > MSS:
		r.mustAck = true
	case r.ackAt == Never:
		r.ackAt = now + delayedAck
	}
}

// received returns how many bytes have arrived in order.
func (r *receiver) received() int64 {
	if r.ended {
		return r.finAt
	}
	return r.next
}

// unread returns how many bytes the application can read.
func (r *receiver) unread() int64 { return r.received() - r.consumed }

// held returns how many bytes are kept: those that the application has not read,
// and those beyond a gap.
func (r *receiver) held() int64 {
	held := r.unread()
	for _, b := range r.gaps {
		held += b.End - b.Start
	}
	return held
}

// heldBefore returns how many bytes a reader would keep that had read what arrived at
// this instant before the last n bytes.
func (r *receiver) heldBefore(n int) int64 {
	held := r.held()
	return max(min(held, int64(n)), held-int64(r.atOnce-n))
}

// close moves next past blocks that it has reached.
func (r *receiver) close() {
	done := 0
	for ; done < len(r.gaps) && r.gaps[done].Start <= r.next; done++ {
		r.next = max(r.next, r.gaps[done].End)
		r.forget(r.gaps[done].Start)
	}
	r.gaps = append(r.gaps[:0], r.gaps[done:]...)
}

// insert adds a block beyond next and joins it with its neighbors.
func (r *receiver) insert(b Block) {
	i := len(r.gaps)
	for i > 0 && r.gaps[i-1].End >= b.Start {
		i-- // the first that it touches
	}
	j := i
	for ; j < len(r.gaps) && r.gaps[j].Start <= b.End; j++ {
		if r.gaps[j].Start <= b.Start && b.End <= r.gaps[j].End {
			r.twice = b
		}
		b.Start, b.End = min(b.Start, r.gaps[j].Start), max(b.End, r.gaps[j].End)
	}
	for _, joined := range r.gaps[i:j] {
		r.forget(joined.Start)
	}
	if i == j {
		r.gaps = append(r.gaps, Block{})
		copy(r.gaps[i+1:], r.gaps[i:])
	} else {
		r.gaps = append(r.gaps[:i+1], r.gaps[j:]...)
	}
	r.gaps[i] = b
	r.recent = append(r.recent, 0)
	copy(r.recent[1:], r.recent)
	r.recent[0] = b.Start
}

// forget takes a block out of the recent ones.
func (r *receiver) forget(start int64) {
	for i, s := range r.recent {
		if s == start {
			r.recent = append(r.recent[:i], r.recent[i+1:]...)
			return
		}
	}
}

// read notes that the application has read bytes.
func (r *receiver) read(now time.Duration, n int) {
	waiting := r.unread() - int64(min(n, MSS)) // after the first segment of these
	if r.last == now {
		waiting -= int64(max(0, r.atOnce-MSS)) // a reader of packets that come one by one is faster
	}
	r.buffer.adapt(now, r.consumed, int(max(0, waiting)), n, r.beyond())
	r.consumed += int64(n)
	if r.ended {
		return // the peer sends nothing more, and may be gone
	}
	// A window that was nearly shut and is open again is announced.
	if room := r.buffer.room(r.held()); room >= 2*int(r.told-r.next) && room >= min(MSS, r.buffer.size/2) {
		r.mustAck = true
	}
}

// beyond returns how far what has arrived reaches beyond next.
func (r *receiver) beyond() int {
	if len(r.gaps) == 0 {
		return 0
	}
	return int(r.gaps[len(r.gaps)-1].End - r.next)
}

// expire sends the delayed acknowledgement.
func (r *receiver) expire(now time.Duration) {
	if r.ackAt <= now {
		r.mustAck, r.ackAt = true, Never
	}
}

// acknowledge fills in a segment's fields for the other direction.
func (r *receiver) acknowledge(now time.Duration, p *Segment) {
	if p.Len > 0 && now-r.last < delayedAck && r.next > 0 {
		r.interactive = true
	}
	p.Ack, p.TSEcr = r.next, r.recentTS
	r.told = max(r.told, r.next+int64(r.buffer.room(r.held())))
	p.Window = int(r.told - r.next)
	if r.twice != (Block{}) {
		p.SACK[0], p.SACKs = r.twice, 1
		r.twice = Block{}
	}
	for _, start := range r.recent {
		if p.SACKs == len(p.SACK) {
			break
		}
		for _, b := range r.gaps {
			if b.Start == start {
				p.SACK[p.SACKs] = b
				p.SACKs++
			}
		}
	}
	if r.due {
		r.quick = max(0, r.quick-1)
	}
	r.acked, r.due, r.mustAck, r.ackAt = r.next, false, false, Never
}

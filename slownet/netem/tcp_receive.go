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
	quick       int32         // segments to be acknowledged at once
	next        int64         // the first byte that has not arrived
	consumed    int64         // by the application
	acked       int64         // Ack of the last segment sent
	told        int64         // end of the window of the last segment sent
	last        time.Duration // when the last payload arrived
	atOnce      int           // bytes of payload that arrived then
	recentTS    time.Duration // to be echoed
	finAt       int64         // sequence number of the FIN, or none
	buffer      receiveBuffer
	disorder    *disorder // nil while all has arrived once and in order
}

// A disorder is what arrives out of order, or more than once.
type disorder struct {
	twice  Block   // bytes that have arrived twice, to be reported once
	gaps   []Block // blocks that have arrived beyond next, in order
	recent []int64 // where blocks start, the one that changed last first
}

// disordered returns the disorder, of which there is one from now on.
func (r *receiver) disordered() *disorder {
	if r.disorder == nil {
		r.disorder = &disorder{}
	}
	return r.disorder
}

// gaps returns the blocks that have arrived beyond next, in order.
func (r *receiver) gaps() []Block {
	if r.disorder == nil {
		return nil
	}
	return r.disorder.gaps
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
	r.buffer.largest = max(r.buffer.largest, int32(p.Len))
	start, end := p.Seq, p.end()
	if p.Flags&FIN != 0 {
		r.finAt = end - 1
	}
	inOrder, hadGaps := start <= r.next && r.next < end, len(r.gaps()) > 0
	switch {
	case end <= r.next:
		r.disordered().twice = Block{start, end}
	case inOrder:
		r.next = end
		if hadGaps {
			r.next = r.disorder.close(end)
		}
	default:
		r.disordered().insert(Block{start, end})
	}
	r.ended = r.finAt != none && r.next > r.finAt
	if r.disorder != nil && r.disorder.twice != (Block{}) {
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
	for _, b := range r.gaps() {
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

// close takes out the blocks that next has reached, and returns where the last of them
// ends, or next.
func (d *disorder) close(next int64) int64 {
	done := 0
	for ; done < len(d.gaps) && d.gaps[done].Start <= next; done++ {
		next = max(next, d.gaps[done].End)
		d.forget(d.gaps[done].Start)
	}
	d.gaps = append(d.gaps[:0], d.gaps[done:]...)
	return next
}

// insert adds a block beyond next and joins it with its neighbors.
func (d *disorder) insert(b Block) {
	i := len(d.gaps)
	for i > 0 && d.gaps[i-1].End >= b.Start {
		i-- // the first that it touches
	}
	j := i
	for ; j < len(d.gaps) && d.gaps[j].Start <= b.End; j++ {
		if d.gaps[j].Start <= b.Start && b.End <= d.gaps[j].End {
			d.twice = b
		}
		b.Start, b.End = min(b.Start, d.gaps[j].Start), max(b.End, d.gaps[j].End)
	}
	for _, joined := range d.gaps[i:j] {
		d.forget(joined.Start)
	}
	if i == j {
		d.gaps = append(d.gaps, Block{})
		copy(d.gaps[i+1:], d.gaps[i:])
	} else {
		d.gaps = append(d.gaps[:i+1], d.gaps[j:]...)
	}
	d.gaps[i] = b
	d.recent = append(d.recent, 0)
	copy(d.recent[1:], d.recent)
	d.recent[0] = b.Start
}

// forget takes a block out of the recent ones.
func (d *disorder) forget(start int64) {
	for i, s := range d.recent {
		if s == start {
			d.recent = append(d.recent[:i], d.recent[i+1:]...)
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
	gaps := r.gaps()
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

// acknowledge fills in a segment's fields for the other direction.
func (r *receiver) acknowledge(now time.Duration, p *Segment) {
	if p.Len > 0 && now-r.last < delayedAck && r.next > 0 {
		r.interactive = true
	}
	p.Ack, p.TSEcr = r.next, r.recentTS
	r.told = max(r.told, r.next+int64(r.buffer.room(r.held())))
	p.Window = int(r.told - r.next)
	if r.disorder != nil {
		r.disorder.report(p)
	}
	if r.due {
		r.quick = max(0, r.quick-1)
	}
	r.acked, r.due, r.mustAck, r.ackAt = r.next, false, false, Never
}

// report fills in a segment's selective acknowledgements.
func (d *disorder) report(p *Segment) {
	if d.twice != (Block{}) {
		p.SACK[0], p.SACKs = d.twice, 1
		d.twice = Block{}
	}
	for _, start := range d.recent {
		if p.SACKs == len(p.SACK) {
			break
		}
		for _, b := range d.gaps {
			if b.Start == start {
				p.SACK[p.SACKs] = b
				p.SACKs++
			}
		}
	}
}

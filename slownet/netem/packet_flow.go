package netem

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/enum"
	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// A PacketFlow is the state of the datagrams from one socket on their way over
// a [Link]: the model itself. It has no clock and no goroutine, and no lock but
// that of a [Bottleneck]. Times are durations since an origin of the caller's
// choice, the same for all flows that share a bottleneck, and must not decrease
// from call to call.
//
// What befalls a datagram is what the link says: it can be lost, doubled,
// changed in one bit, overtaken, or dropped because the queue is full or it is
// larger than the MTU.
type PacketFlow struct {
	path
	free    time.Duration // when the next one may enter the link
	waiting []waiting     // to pass, in order
	passed  int           // how many of those have passed
	queued  int           // the bytes of the others
	packets [2]Packet     // the answer
}

// waiting is a datagram in the queue. One without bytes takes the room of one.
type waiting struct {
	leave time.Duration
	bytes int
}

// A Packet is a datagram that arrives, or a copy of one.
type Packet struct {
	Leave  time.Duration // when its last byte has left the sender
	Arrive time.Duration // when it can be read at the other end

	// Flip is the bit that is changed under way, between 0 and 8 times the
	// datagram's size, counted from the lowest bit of its first byte; -1 is
	// none.
	Flip int
}

// A Drop is why a datagram does not arrive.
type Drop int

// What drops a datagram.
const (
	NotDropped Drop = iota
	DroppedByLoss
	DroppedByQueue // it was full
	DroppedByMTU   // the datagram is larger
)

// String returns the reason.
func (d Drop) String() string {
	return enum.Name("Drop", int(d), "not dropped", "loss", "queue full", "larger than the MTU")
}

// DefaultQueue is the queue of a link that names none, in bytes: netem's 1,000 packets.
const DefaultQueue = 1000 * defaultMTU

// NewPacketFlow returns a flow of datagrams over the link, which is free from
// the origin on. The seed decides what is random. It panics on an invalid
// link; see [Link.Validate].
func NewPacketFlow(link Link, seed uint64) *PacketFlow {
	link.mustBeValid()
	return &PacketFlow{path: path{link: &link, seed: seed}}
}

// SetLink changes the link for what is sent from now on. What is on its way
// already arrives when it would have. It panics on an invalid link; see
// [Link.Validate].
func (f *PacketFlow) SetLink(link Link) {
	link.mustBeValid()
	f.setLink(&link)
}

// Init makes the flow what [NewPacketFlow] returns: over a link that is valid,
// that others may have too, and that nobody changes from now on.
func (f *PacketFlow) Init(link *Link, seed uint64) {
	*f = PacketFlow{}
	f.init(link, seed)
}

// SetSharedLink is SetLink with a link that is valid, that others may have too,
// and that nobody changes from now on.
func (f *PacketFlow) SetSharedLink(link *Link) { f.setLink(link) }

// Free returns when the next datagram may enter the link. In the past, it is
// free now.
func (f *PacketFlow) Free() time.Duration { return f.free }

// Link returns the link as it is now.
func (f *PacketFlow) Link() Link { return *f.link }

// Hold lets nothing enter the link before the given time.
func (f *PacketFlow) Hold(until time.Duration) { f.free = max(f.free, until) }

// Send puts a datagram of n bytes on its way. It returns the packet that
// arrives, or the two of them if it was doubled; or none, and what dropped it.
// The packets are good until the next call.
func (f *PacketFlow) Send(now time.Duration, n int) ([]Packet, Drop) {
	if f.link.MTU > 0 && n > f.link.MTU {
		return nil, DroppedByMTU
	}
	m := f.misfortune(false)
	if m.lost {
		return nil, DroppedByLoss
	}
	if !f.admit(now, n) {
		return nil, DroppedByQueue
	}
	packets := append(f.packets[:0], f.carry(now, n, m))
	if m.duplicated && f.admit(now, n) {
		packets = append(packets, f.carry(now, n, misfortune{corrupted: m.corrupted, reordered: m.reordered}))
	}
	return packets, NotDropped
}

// admit reports whether the queue has room. A datagram that needs not wait
// finds room in any queue.
func (f *PacketFlow) admit(now time.Duration, n int) bool {
	for f.passed < len(f.waiting) && f.waiting[f.passed].leave <= now {
		f.queued -= f.waiting[f.passed].bytes
		f.passed++
	}
	if f.passed > len(f.waiting)/2 { // now and then, for it costs what the queue is long
		f.waiting = append(f.waiting[:0], f.waiting[f.passed:]...)
		f.passed = 0
	}
	limit := f.link.Queue
	if limit == 0 {
		limit = DefaultQueue
	}
	return f.free <= now || f.queued+max(1, n) <= limit
}

// carry puts one packet on its way.
func (f *PacketFlow) carry(now time.Duration, n int, m misfortune) Packet {
	leave := f.passAll(max(now, f.free), n)
	f.free = leave
	if pace := f.link.Pace; pace.Wait > 0 {
		pieces := time.Duration(1)
		if pace.Bytes > 0 {
			pieces = time.Duration(max(1, (n+pace.Bytes-1)/pace.Bytes))
		}
		wait := timeline.End
		if pieces <= timeline.End/pace.Wait {
			wait = pieces * pace.Wait
		}
		f.free = timeline.Add(f.free, wait)
	}
	if leave > now {
		f.waiting = append(f.waiting, waiting{leave, max(1, n)})
		f.queued += max(1, n)
	}
	packet := Packet{Leave: leave, Flip: -1}
	if m.corrupted && n > 0 {
		packet.Flip = int(uint64(f.luck.dice.roll()) % (8 * uint64(n)))
	}
	latency := f.latency()
	if m.reordered {
		latency = 0
	}
	packet.Arrive = timeline.Add(leave, latency)
	return packet
}

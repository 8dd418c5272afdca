package slownet

import (
	"net"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/heap"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A datagram is the content of a written or received datagram, with its control
// messages.
type datagram struct {
	data   []byte
	oob    []byte   // control messages
	flags  int      // as received
	peer   net.Addr // nil means the peer of a connected socket
	number int64    // counted from 0 in each direction
	arrive time.Duration

	accepted time.Duration // time of acceptance, if traced

	order int64 // among datagrams that arrive at the same time
}

// size returns the approximate size of the datagram in memory.
func (d *datagram) size() int { return len(d.data) + len(d.oob) + packetOverhead }

// packetOverhead is the memory of a datagram apart from its data.
const packetOverhead = 128

// as returns a copy of the datagram with the packet's changes.
func (d datagram) as(packet netem.Packet) datagram {
	d.data = append([]byte(nil), d.data...)
	d.oob = append([]byte(nil), d.oob...)
	d.arrive = packet.Arrive
	if packet.Flip >= 0 {
		d.data[packet.Flip/8] ^= 1 << (packet.Flip % 8)
	}
	return d
}

// A flight holds the datagrams in flight, in order of arrival.
type flight struct {
	queue heap.Heap[*datagram]
	size  int   // in memory
	sent  int64 // number of datagrams so far
}

func (f *flight) isEmpty() bool { return len(f.queue) == 0 }

// next returns the arrival time of the next datagram.
func (f *flight) next() time.Duration { return f.queue[0].arrive }

// hasArrived reports whether a datagram has arrived.
func (f *flight) hasArrived(now time.Duration) bool { return !f.isEmpty() && f.next() <= now }

func (f *flight) push(d datagram) {
	d.order = f.sent
	f.sent++
	f.size += d.size()
	f.queue.Push(&d)
}

func (f *flight) pop() datagram {
	d := f.queue.Pop()
	f.size -= d.size()
	return *d
}

// clear discards all datagrams.
func (f *flight) clear() { f.queue, f.size = nil, 0 }

// Before orders datagrams by arrival, and then by the order in which they were sent.
func (d *datagram) Before(other *datagram) bool {
	if d.arrive != other.arrive {
		return d.arrive < other.arrive
	}
	return d.order < other.order
}

// Moved does nothing: only the first datagram is ever removed, so no positions are kept.
func (*datagram) Moved(int) {}

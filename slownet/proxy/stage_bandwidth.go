package proxy

import (
	"sync"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// bandwidthStage passes bytes at a rate: each piece leaves when its last byte has
// passed. A stream is cut into pieces of at most pieceTime, but at least a byte; a
// datagram is one piece. The pieces of connections that share the rate take turns.
type bandwidthStage struct {
	passing
	Bandwidth
	datagrams bool
	meter     *sharedState // of the rate; the stage's own unless shared
	isOwn     bool
	piece     int           // size of the next piece, from the first item; 0 if nothing is booked
	leaves    time.Duration // time at which the piece leaves
	before    time.Duration // meter.free before the piece was booked
	lastCall  time.Duration // time of the last push, pop or change
}

// sharedState is shared by all connections that a toxic with a shared scope affects.
type sharedState struct {
	mu     sync.Mutex    // guards the fields below
	free   time.Duration // time from which the rate is free
	passed int64         // bytes that limit_data has let pass
}

func (a Bandwidth) newStage(s setting) stage {
	b := &bandwidthStage{Bandwidth: a, datagrams: s.datagrams, meter: s.shared}
	if b.meter == nil {
		b.meter, b.isOwn = new(sharedState), true
	}
	return b
}

func (b *bandwidthStage) push(now time.Duration, it item) {
	b.lastCall = now
	b.queue.push(it)
	b.book()
}

func (b *bandwidthStage) due() (time.Duration, bool) {
	b.book()
	switch {
	case b.queue.isEmpty():
		return 0, false
	case len(b.queue.items[0].data) == 0:
		return b.queue.items[0].at, true
	}
	return b.leaves, b.piece > 0
}

// book books the rate for the next piece.
func (b *bandwidthStage) book() {
	if b.piece > 0 || b.Rate <= 0 || b.queue.isEmpty() || len(b.queue.items[0].data) == 0 {
		return
	}
	first := &b.queue.items[0]
	b.piece = len(first.data)
	if most := bytesIn(b.Rate, pieceTime); b.piece > most && !b.datagrams {
		b.piece = most
	}
	b.meter.mu.Lock()
	defer b.meter.mu.Unlock()
	b.before = b.meter.free
	b.leaves = max(b.meter.free, first.at, b.lastCall-maxLate) + timeOf(b.Rate, b.piece)
	b.meter.free = b.leaves
}

func (b *bandwidthStage) pop(now time.Duration) item {
	b.lastCall = now
	first := &b.queue.items[0]
	if b.piece < len(first.data) {
		it := item{data: first.data[:b.piece:b.piece], at: b.leaves}
		first.data = first.data[b.piece:]
		b.queue.size -= b.piece
		b.piece = 0
		return it
	}
	it := b.queue.pop()
	if len(it.data) > 0 {
		it.at = b.leaves
	}
	b.piece = 0
	return it
}

func (b *bandwidthStage) hasRoom() bool {
	room := min(max(bytesIn(b.Rate, 100*time.Millisecond), smallRoom/4), largeRoom)
	return b.queue.size < room
}

func (b *bandwidthStage) takeAll() []item {
	b.cancel()
	return b.passing.takeAll()
}

func (b *bandwidthStage) change(now time.Duration, a Attributes) {
	b.cancel()
	b.Bandwidth, b.lastCall = a.(Bandwidth), now
	if b.isOwn {
		b.meter.free = max(b.meter.free, now)
	}
}

// cancel cancels the booking, unless others have booked after it.
func (b *bandwidthStage) cancel() {
	b.meter.mu.Lock()
	defer b.meter.mu.Unlock()
	if b.piece > 0 && b.meter.free == b.leaves {
		b.meter.free = b.before
	}
	b.piece = 0
}

// pieceTime is the longest time that a piece of a stream takes, unless it is one byte.
const pieceTime = 10 * time.Millisecond

// bytesIn returns the number of bytes that pass in a duration, at least one.
func bytesIn(rate netem.Rate, d time.Duration) int {
	return max(1, int(min(float64(rate)/8*d.Seconds(), largeRoom)))
}

// timeOf returns the time that n bytes take to pass.
func timeOf(rate netem.Rate, n int) time.Duration {
	return time.Duration(float64(n) * 8 / float64(rate) * float64(time.Second))
}

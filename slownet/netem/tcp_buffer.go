package netem

import (
	"math/bits"
	"time"
)

// Linux's receive buffer, in bytes: its initial and maximum size
// (net.ipv4.tcp_rmem), and the space that a full segment takes.
const (
	firstBuffer  = 128 << 10
	maxBuffer    = 6 << 20
	segmentSpace = 2304
)

// A receiveBuffer decides the size of the window that the receiver advertises.
// The window opens as data arrives, up to the payload that the buffer can hold,
// and the buffer grows with the number of bytes that the application reads per
// round trip.
type receiveBuffer struct {
	size      int
	isFixed   bool          // the window is the size of the buffer, which does not grow
	payload   uint8         // of each 256 bytes of space, see payloadRoom
	largest   int32         // the largest payload that has arrived, at least MSS
	window    int           // the largest window that may be advertised
	perRound  int           // the most bytes that the application has read in a round trip
	roundTrip time.Duration // as the receiver has measured it, see measure; 0 for none
	since     time.Duration // the beginning of this round trip
	read      int64         // bytes that the application had read then
	lastEcho  time.Duration // in whole milliseconds
}

func (b *receiveBuffer) init(fixed int, now time.Duration) {
	b.arrive(MSS)
	if fixed > 0 {
		b.size, b.window, b.isFixed = fixed, fixed, true
		return
	}
	b.size = firstBuffer
	b.window = firstBuffer / 2 / 1460 * 1460 // half of the buffer, in segments without timestamps
	b.perRound = initialWindow * MSS
	b.since = now
}

// The bounds of buffers that the application sets, in bytes: Linux's SOCK_MIN_RCVBUF
// and SOCK_MIN_SNDBUF, and twice net.core.rmem_max and wmem_max.
const (
	minSetReadBuffer  = 2304
	minSetWriteBuffer = 4608
	maxSetBuffer      = 2 * 4 << 20
)

// asSet returns the size of a buffer that the application has set to a number of
// bytes. As on Linux it is twice that number, within bounds, and the maximum for
// a negative number.
func asSet(bytes, least int) int {
	if bytes < 0 || bytes > maxSetBuffer/2 {
		return maxSetBuffer
	}
	return max(least, 2*bytes)
}

// set fixes the size of the buffer.
func (b *receiveBuffer) set(bytes int) {
	b.size = b.payloadRoom(int64(asSet(bytes, minSetReadBuffer)))
	b.window, b.isFixed = b.size, true
}

// arrive notes that a payload has arrived.
func (b *receiveBuffer) arrive(size int32) {
	if size > b.largest {
		b.largest = size
		b.payload = uint8(256 * int64(size) / b.space())
	}
}

// payloadRoom returns the number of bytes of payload that fit into the given
// space.
func (b *receiveBuffer) payloadRoom(space int64) int { return int(space * int64(b.payload) / 256) }

// space returns the space that a segment takes in the buffer. Linux receives
// packets larger than an Ethernet frame into pages.
func (b *receiveBuffer) space() int64 {
	if b.largest <= MSS {
		return segmentSpace
	}
	const page = 4096
	return (int64(b.largest)+HeaderSize+page-1)/page*page + handle
}

// free returns the number of bytes of payload that fit besides those that are
// held.
func (b *receiveBuffer) free(held int64) int {
	space := int64(b.size)
	if held > 0 {
		space -= held * b.space() / int64(b.largest)
	}
	return b.payloadRoom(space)
}

// room returns the largest window that can be advertised while the given number
// of bytes is held.
func (b *receiveBuffer) room(held int64) int {
	if b.isFixed {
		return max(0, b.size-int(held))
	}
	return max(0, min(b.window, b.free(held)))
}

// grow opens the window after a payload has arrived, and reports whether there
// was room for that.
func (b *receiveBuffer) grow(n int, held int64) bool {
	if n < 128 || b.isFixed {
		return false
	}
	room := b.free(held) - b.window
	if room <= 0 {
		return false
	}
	b.window += min(room, 2*max(n, MSS))
	return true
}

// measure processes a round trip: from sending a timestamp to the payload that echoes it,
// in whole milliseconds. A shorter one than before replaces the estimate; a longer one moves
// it an eighth of the way, if everything that arrived before has been read. So the buffer
// grows with a queue on the path. Linux takes no round trip from a segment that is not full;
// here it counts until a shorter one replaces it.
func (b *receiveBuffer) measure(now, echo time.Duration, isDrained bool) {
	if echo == 0 || b.roundTrip != 0 && echo >= b.lastEcho && echo-b.lastEcho < time.Millisecond {
		return
	}
	b.lastEcho = echo.Truncate(time.Millisecond)
	d := max(time.Millisecond, now.Truncate(time.Millisecond)-b.lastEcho)
	switch {
	case b.roundTrip == 0 || d < b.roundTrip:
		b.roundTrip = d
	case isDrained:
		b.roundTrip += (d - b.roundTrip) / 8
	}
}

// adapt grows the buffer if the application has read more in the last round
// trip than ever before. The application is reading n bytes after the
// consumed ones, a segment at a time: bytes that wait after the first segment
// count in the next round trip. beyond is the distance to the end of out-of-order
// data.
func (b *receiveBuffer) adapt(now time.Duration, consumed int64, waiting, n, beyond int) {
	read := consumed + int64(min(n, MSS))
	if b.isFixed || (b.roundTrip == 0 || now-b.since < b.roundTrip) && !b.isInstant(now, read) {
		return
	}
	if n, last := read-b.read-int64(waiting), int64(b.perRound); n > last {
		window := 2 * n // the sender is a round trip ahead
		window += 2 * (window * (n - last) / last)
		window += int64(beyond)
		b.size = max(b.size, int(min(maxBuffer, window*b.space()/int64(b.largest))))
		b.perRound = int(n)
	}
	b.since, b.read = now, read
}

// isInstant reports whether the path takes no time: the application has read more at
// one instant than the sender may have in flight, so there were round trips
// within that instant. A kernel's loopback takes time, and has such round trips
// in its first milliseconds.
func (b *receiveBuffer) isInstant(now time.Duration, read int64) bool {
	return now == b.since && read-b.read >= 2*int64(b.window)
}

// Linux's send buffer: its maximum size in bytes (net.ipv4.tcp_wmem), and the
// overhead of a piece of the stream.
const (
	maxSendBuffer = 4 << 20
	headers       = 256 // MAX_TCP_HEADER
	description   = 320 // struct skb_shared_info
	handle        = 256 // struct sk_buff
	pieceSpace    = headers + description + handle
)

// A sendBuffer decides the number of bytes that the application may write before
// they are acknowledged: two congestion windows, counted in memory. It never
// shrinks.
type sendBuffer struct {
	size    int
	isFixed bool // it does not grow
}

func (b *sendBuffer) init(fixed int) {
	b.size, b.isFixed = fixed, fixed > 0
	b.grow(initialWindow, MSS)
}

// grow makes room for a congestion window of segments with the given payload.
func (b *sendBuffer) grow(window int, mss int64) {
	if mss = min(max(mss, MSS), 64<<10); !b.isFixed {
		b.size = max(b.size, min(maxSendBuffer, 2*spaceOf(mss)*max(window, initialWindow)))
	}
}

// spaceOf returns the space that Linux accounts for a full segment: the next
// power of two that holds its headers, payload and skb_shared_info, plus the
// sk_buff. For a payload of MSS it is segmentSpace.
func spaceOf(mss int64) int {
	return 1<<bits.Len64(uint64(mss+headers+description-1)) + handle
}

// set fixes the size of the buffer.
func (b *sendBuffer) set(bytes int) { b.size, b.isFixed = asSet(bytes, minSetWriteBuffer), true }

// room returns the number of bytes that the application can write after ahead
// bytes that have not been passed to the sender yet. Bytes that cannot be sent at
// once are kept in pieces of up to 64 KiB, and a partial piece is filled up.
func (s *sender) room(ahead int64) int {
	b, written := &s.buffer, s.written+ahead
	if b.isFixed {
		return int(max(0, int64(b.size)-(written-s.una)))
	}
	size := int64(b.size)
	full := max(1, s.full()) // an end that is closed has no full segment
	piece := s.piece(full)
	if s.used(written, piece) >= size {
		return 0
	}
	segments := max(0, min(int64(s.window.size-s.queue.inFlight()), (s.windowEnd-s.nxt)/full))
	limit := s.nxt + segments*full // they are sent at once
	if free := size - (limit - s.una); free > 0 {
		limit += (free + piece + pieceSpace - 1) / (piece + pieceSpace) * piece
	}
	return int(max(0, limit-written))
}

// roomAtLeast returns a lower bound of room: a segment that can be sent at once.
func (s *sender) roomAtLeast(ahead int64) int {
	full := s.full()
	if s.buffer.isFixed || s.written+ahead != s.nxt || s.nxt-s.una >= int64(s.buffer.size) ||
		s.window.size <= s.queue.inFlight() || s.windowEnd-s.nxt < full {
		return 0
	}
	return int(full)
}

// hasRoom reports whether a third of the buffer is free, after ahead bytes that
// have not been passed to the sender yet.
func (s *sender) hasRoom(ahead int64) bool {
	size, written := int64(s.buffer.size), s.written+ahead
	used := written - s.una
	if !s.buffer.isFixed {
		used = s.used(written, s.piece(max(1, s.full())))
	}
	return used <= size-size/3
}

// used returns the space that unacknowledged bytes take in the buffer.
func (s *sender) used(written, piece int64) int64 {
	return written - s.una + (written-s.nxt+piece-1)/piece*pieceSpace
}

// piece returns the number of bytes of the stream that Linux keeps in a piece:
// full segments, at most 64 KiB and at most half of the peer's largest window.
func (s *sender) piece(full int64) int64 {
	const largest = 64<<10 - headers
	return max(1, min(largest, s.maxWindow/2)/full) * full
}

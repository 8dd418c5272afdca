package netem

import "time"

// Linux's receive buffer, in bytes: its first and its largest size
// (net.ipv4.tcp_rmem), and the space that the payload of a full segment takes
// of it.
const (
	firstBuffer  = 128 << 10
	maxBuffer    = 6 << 20
	segmentSpace = 2304
)

// A receiveBuffer decides how large a window the receiver offers. The window
// opens as data arrives, up to what the buffer can hold, and the buffer grows
// with what the application reads in a round trip.
type receiveBuffer struct {
	size      int
	isFixed   bool          // the window is the size, and the buffer does not grow
	window    int           // the most that is offered
	perRound  int           // the most that the application has read in a round trip
	roundTrip time.Duration // the shortest seen from here; 0 is none
	since     time.Duration // beginning of this round trip
	read      int64         // what the application had read then
	lastEcho  time.Duration
}

func (b *receiveBuffer) init(fixed int, now time.Duration) {
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

// asSet returns the size of a buffer that the application has asked for. As on
// Linux it is twice that, within bounds, and below zero the largest.
func asSet(bytes, least int) int {
	if bytes < 0 || bytes > maxSetBuffer/2 {
		return maxSetBuffer
	}
	return max(least, 2*bytes)
}

// set gives the buffer a size that it keeps.
func (b *receiveBuffer) set(bytes int) {
	b.size = payloadRoom(int64(asSet(bytes, minSetReadBuffer)))
	b.window, b.isFixed = b.size, true
}

// payloadRoom returns how many bytes of payload fit into that much of the buffer.
func payloadRoom(space int64) int { return int(space * (256 * MSS / segmentSpace) / 256) }

// room returns how large a window can be offered while that many bytes are
// held.
func (b *receiveBuffer) room(held int64) int {
	if b.isFixed {
		return max(0, b.size-int(held))
	}
	return max(0, min(b.window, payloadRoom(int64(b.size)-held*segmentSpace/MSS)))
}

// grow opens the window for a payload that has arrived, and reports whether it
// could.
func (b *receiveBuffer) grow(n int, held int64) bool {
	if n < 128 || b.isFixed {
		return false
	}
	room := payloadRoom(int64(b.size)-held*segmentSpace/MSS) - b.window
	if room <= 0 {
		return false
	}
	b.window += min(room, 2*max(n, MSS))
	return true
}

// measure takes in a round trip: from a timestamp that was sent to the segment
// that echoes it, in whole milliseconds.
func (b *receiveBuffer) measure(now, echo time.Duration) {
	if echo == b.lastEcho {
		return
	}
	b.lastEcho = echo
	d := max(time.Millisecond, now.Truncate(time.Millisecond)-echo.Truncate(time.Millisecond))
	if b.roundTrip == 0 || d < b.roundTrip {
		b.roundTrip = d
	}
}

// adapt grows the buffer if the application has read more in the last round trip
// than ever before. It is reading n bytes after those it has consumed, a segment at a
// time: what waits after the first one counts in the next round trip. Beyond is how
// far out of order data reaches.
func (b *receiveBuffer) adapt(now time.Duration, consumed int64, waiting, n, beyond int) {
	if b.isFixed || b.roundTrip == 0 || now-b.since < b.roundTrip {
		return
	}
	read := consumed + int64(min(n, MSS))
	if n := int(read-b.read) - waiting; n > b.perRound {
		window := 2 * n // the sender is a round trip ahead
		window += 2 * (window * (n - b.perRound) / b.perRound)
		window += beyond
		b.size = max(b.size, min(maxBuffer, window*segmentSpace/MSS))
		b.perRound = n
	}
	b.since, b.read = now, read
}

// Linux's send buffer: its largest size (net.ipv4.tcp_wmem), and how much fits in
// beyond that, because what was begun is filled.
const (
	maxSendBuffer = 4 << 20
	overfill      = 5 * MSS
)

// A sendBuffer decides how much the application may write ahead of what is
// acknowledged: two windows, and the buffer never shrinks.
type sendBuffer struct {
	size    int
	isFixed bool // and does not grow
}

func (b *sendBuffer) init(fixed int) {
	b.size, b.isFixed = fixed, fixed > 0
	b.grow(initialWindow)
}

// grow makes room for a congestion window.
func (b *sendBuffer) grow(window int) {
	if !b.isFixed {
		b.size = max(b.size, min(maxSendBuffer, 2*segmentSpace*max(window, initialWindow)))
	}
}

// set gives the buffer a size that it keeps.
func (b *sendBuffer) set(bytes int) { b.size, b.isFixed = asSet(bytes, minSetWriteBuffer), true }

// room returns how many bytes can be written while so many are not acknowledged.
func (b *sendBuffer) room(unacked int64) int {
	room := b.size - int(unacked)
	if !b.isFixed {
		room += overfill
	}
	return max(0, room)
}

// hasRoom reports whether a third of the buffer is free.
func (b *sendBuffer) hasRoom(unacked int64) bool {
	return unacked <= int64(b.size)-int64(b.size)/3
}

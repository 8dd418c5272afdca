package slownet

import (
	"sync"
	"time"
)

// readAheadTime is the time by which bytes are taken from the inner connection
// before the link is free, so that a timer that fires late costs nothing.
const readAheadTime = 2 * time.Millisecond

// readAhead runs until the reader has received everything. It ends early if the
// inner connection times out by itself: then no Read is waiting, and the reader
// tries again when it has received everything.
func (r *receiver) readAhead() {
	buffer := getBuffer()
	defer putBuffer(buffer)
	r.mu.Lock()
	defer r.mu.Unlock()
	since := r.now() // time of the previous read: the next bytes count as ready since then
	for timedOut := false; r.isBusyLocked() && !r.ended && r.err == nil && !r.closed && !timedOut; {
		switch now := r.now(); {
		case r.stalled, r.size >= maxFlight, r.size >= maxUnread && len(r.inbox) > 0 && r.arrivalLocked(&r.inbox[0]) <= now:
			r.waitLocked(&r.work, never)
		case r.tcp != nil && r.awaitRoomLocked():
		case r.tcp == nil && r.flow.Free()-readAheadTime > now && r.size >= r.link.Ahead():
			r.waitLocked(&r.work, r.flow.Free()-readAheadTime)
		default:
			timedOut = r.readAheadOnceLocked(buffer[:r.roomLocked()], since)
			since = r.now()
		}
	}
	r.endWorkLocked()
}

// readAheadOnceLocked reads from the inner connection and puts the bytes into
// flight. It reports whether the inner connection has timed out by itself.
func (r *receiver) readAheadOnceLocked(buffer []byte, since time.Duration) (timedOut bool) {
	at := r.now()
	r.mu.Unlock()
	n, err := r.conn.inner.Read(buffer)
	r.mu.Lock()
	for r.stalled && !r.closed && !r.recalled && !r.ended && r.err == nil {
		r.waitLocked(&r.work, never)
	}
	if r.now()-at > maxNoWait {
		since = r.now() // the bytes were not there when the link was free
	}
	if isTimeout(err) {
		err, timedOut = nil, !r.recalled
	}
	r.recalled = false
	_ = r.syncLocked(false)
	if n > 0 || err != nil {
		r.transmitLocked(since, buffer[:n], err)
		r.changed.wake()
	}
	return timedOut
}

// roomLocked returns the number of bytes that may be taken from the inner connection
// at a time. Over TCP, that is the room in the send buffer. On an ideal stream, it is
// the room in the queue, but at least a packet and the bytes that pass in a
// millisecond. In both cases, it is at most one piece of the pace. Taking more would empty a
// buffer that the peer's writer should find full, and those bytes would already
// be in flight when the link is changed.
func (r *receiver) roomLocked() int {
	link, room := r.link, bufferSize
	if r.back != nil && r.startTCPLocked() {
		if room = min(bufferSize, max(1, r.tcp.Room())); link.Pace.Bytes > 0 && link.Pace.Wait > 0 {
			room = min(room, link.Pace.Bytes)
		}
		return room
	}
	if link.Rate > 0 || link.Replay != nil || link.Bottleneck != nil {
		room = max(link.PacketSize(), link.Ahead()-r.size, int(min(link.Rate/8000, bufferSize)))
	}
	if link.Pace.Bytes > 0 && link.Pace.Wait > 0 {
		room = min(room, link.Pace.Bytes)
	}
	return min(room, bufferSize)
}

const bufferSize = 64 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

func getBuffer() *[bufferSize]byte  { return buffers.Get().(*[bufferSize]byte) }
func putBuffer(b *[bufferSize]byte) { buffers.Put(b) }

package slownet

import (
	"sync"
	"time"
)

// readAhead is how early bytes are taken from the inner connection, before the
// link is free for them, so that a timer that fires late costs nothing.
const readAhead = 2 * time.Millisecond

// readAhead runs until the reader has everything. It ends early when the
// inner connection times out by itself: no call of Read is waiting, so the
// reader tries again when it has everything.
func (r *receiver) readAhead() {
	buffer := getBuffer()
	defer putBuffer(buffer)
	r.mu.Lock()
	defer r.mu.Unlock()
	since := r.now() // of the read before: what comes next has come since then
	for timedOut := false; r.isBusyLocked() && !r.ended && r.err == nil && !r.closed && !timedOut; {
		switch now := r.now(); {
		case r.stalled, r.size >= maxFlight, r.size >= maxUnread && len(r.inbox) > 0 && r.arrivalLocked(&r.inbox[0]) <= now:
			r.waitLocked(&r.work, never)
		case r.tcp != nil && r.awaitRoomLocked():
		case r.tcp == nil && r.flow.Free()-readAhead > now && r.size >= r.link.Ahead():
			r.waitLocked(&r.work, r.flow.Free()-readAhead)
		default:
			timedOut = r.readAheadOnceLocked(buffer[:r.roomLocked()], since)
			since = r.now()
		}
	}
	r.restLocked()
}

// readAheadOnceLocked puts what comes next out of the inner connection into flight.
// It reports whether the inner connection has timed out by itself.
func (r *receiver) readAheadOnceLocked(buffer []byte, since time.Duration) (timedOut bool) {
	at := r.now()
	r.mu.Unlock()
	n, err := r.conn.inner.Read(buffer)
	r.mu.Lock()
	for r.stalled && !r.closed && !r.recalled && !r.ended && r.err == nil {
		r.waitLocked(&r.work, never)
	}
	if r.now()-at > maxBlink {
		since = r.now() // it was not there when the link was free
	}
	if isTimeout(err) {
		err, timedOut = nil, !r.recalled
	}
	r.recalled = false
	_ = r.syncLocked(false)
	if n > 0 || err != nil {
		r.launchLocked(since, buffer[:n], err)
		r.changed.wake()
	}
	return timedOut
}

// roomLocked returns how many bytes may be taken from the inner connection at
// a time: what passes in a millisecond, but at least a packet; and what finds
// room in the queue; and not more than a piece of the pace. More would take room
// that the other end's writer believes to be full, and would be on its way
// already when the link is changed.
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

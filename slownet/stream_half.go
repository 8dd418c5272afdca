package slownet

import (
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A streamHalf is a half of a [Conn].
type streamHalf struct {
	half
	conn *Conn

	// guarded by the half's lock
	lane
	flow      netem.Flow
	back      *lane      // of the other direction; nil if the stream is ideal
	tcp       *tcpStream // nil until something is sent over TCP
	late      lateness
	allowance *allowance // bytes until the connection is closed; nil is no limit
	passed    int64      // bytes that have entered the link
	delivered int64      // bytes that have arrived
}

func (h *streamHalf) init(c *Conn, direction Direction, link *netem.Link, seed uint64, path *Path) {
	h.half.init(&c.endpoint, direction, link)
	h.conn = c
	h.begin(link, path.line(direction), seed, c.origin)
	h.flow.Init(&h.line.inner, seed)
}

// sendLocked sends the first of n bytes over the link; see [netem.Flow.Send].
func (h *streamHalf) sendLocked(at time.Duration, n int) netem.Piece {
	at = h.line.begin(at)
	defer h.line.end(h.endpoint)
	return h.flow.Send(at, n)
}

// breakLocked ends a piece early: its remaining bytes will not follow.
func (h *streamHalf) breakLocked() {
	h.line.begin(h.now())
	defer h.line.end(h.endpoint)
	h.flow.Break()
}

// releaseTurnLocked ends the turn of a call.
func (h *streamHalf) releaseTurnLocked() {
	h.endTurnLocked(h.isIdealLocked() && h.link.IsZero() && h.allowance == nil && h.passed == h.delivered && h.flow.Free() <= h.now())
}

// setLink changes the link of this half alone.
func (h *streamHalf) setLink(link *netem.Link, back time.Duration) lane {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.change(link, h.flow.Name(), h.endpoint.origin) {
		h.flow.Move(&h.line.inner)
	}
	h.flow.SetReturn(back)
	return h.lane
}

// linkChanged makes all waiting calls check the links again.
func (h *streamHalf) linkChanged() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.interruptLocked()
}

// pathChanged notes that the link of the path has changed.
func (h *streamHalf) pathChanged(link *netem.Link, back time.Duration) lane {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.isShared() {
		h.link = link
		h.flow.SetReturn(back)
	}
	return h.lane
}

// stall stops everything, until it is called with false.
func (h *streamHalf) stall(stalled bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stalled = stalled
	if !stalled {
		h.flow.Hold(h.now())
	}
	if h.tcp != nil {
		h.tcp.stall(h.now(), stalled)
		if !stalled {
			h.tickLocked()
			if h.tcp.resetWaits {
				h.tcp.resetWaits = false
				h.conn.pollReset()
			}
		}
	}
	h.interruptLocked()
}

// limit limits the number of further bytes; below zero is no limit.
func (h *streamHalf) limit(n int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.allowance = nil
	if n >= 0 {
		h.allowance = &allowance{n}
	}
	h.interruptLocked()
}

// isSpent reports whether the allowance is used up.
func (h *streamHalf) isSpent() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.isSpentLocked()
}

func (h *streamHalf) isSpentLocked() bool { return h.allowance != nil && h.allowance.remaining == 0 }

// An allowance is the number of further bytes that may pass. If it is replaced during a call
// of the inner connection, the bytes of the call still count against the old allowance. A
// nil *allowance has no limit.
type allowance struct{ remaining int64 }

// cut returns the part of p that may pass.
func (a *allowance) cut(p []byte) []byte {
	if a == nil {
		return p
	}
	return p[:min(int64(len(p)), a.remaining)]
}

// spend counts bytes that have passed.
func (a *allowance) spend(n int) {
	if a != nil {
		a.remaining -= int64(n)
	}
}

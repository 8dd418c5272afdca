package netem

import (
	"math"
	"time"
)

// initialWindow is the initial window of RFC 6928, in segments.
const initialWindow = 10

// A congestionWindow bounds the number of segments in flight.
type congestionWindow struct {
	size      int // in segments
	threshold int // of slow start
	count     int // acknowledged segments toward the next growth
	reno      bool

	// RFC 7661: the window grows only if it is used.
	limited   bool  // since usedUntil
	used      int   // if not limited, the most segments in flight since then
	usedUntil int64 // sequence number
	mostUsed  int   // the most segments in flight since fullAt
	fullAt    time.Duration

	cubic cubic
}

func (w *congestionWindow) init(now time.Duration, congestion Congestion) {
	*w = congestionWindow{size: initialWindow, threshold: math.MaxInt32, reno: congestion == Reno, fullAt: now}
}

func (w *congestionWindow) inSlowStart() bool { return w.size < w.threshold }

// measure processes a round trip.
func (w *congestionWindow) measure(now, roundTrip time.Duration, una, nxt int64) {
	if !w.reno && w.cubic.measure(now, roundTrip, w.size, w.inSlowStart(), una, nxt) {
		w.threshold = w.size
	}
}

// reduce lowers the slow start threshold after a loss.
func (w *congestionWindow) reduce() {
	if w.reno {
		w.threshold = max(2, w.size/2)
	} else {
		w.threshold = w.cubic.reduced(w.size)
	}
}

// isLimited reports whether the window limits the sender.
func (w *congestionWindow) isLimited() bool {
	return w.limited || w.inSlowStart() && w.size < 2*w.used
}

// grow grows the window after segments were acknowledged.
func (w *congestionWindow) grow(now time.Duration, acked int) {
	if !w.isLimited() {
		return
	}
	if w.inSlowStart() {
		size := min(w.size+acked, w.threshold)
		acked -= size - w.size
		w.size = size
		if acked == 0 {
			return
		}
	}
	every := w.size
	if !w.reno {
		every = w.cubic.increment(now, w.size, acked)
	}
	if w.count >= every { // credit gathered while the window grew more slowly counts once
		w.count = 0
		w.size++
	}
	w.count += acked
	w.size += w.count / every
	w.count %= every
}

// note records the used part of the window, after a segment was sent or held
// back by the window.
func (w *congestionWindow) note(now time.Duration, limited bool, inFlight int, una, nxt int64, timeout time.Duration, open bool) {
	if una >= w.usedUntil || limited || !w.limited && inFlight > w.used {
		w.limited, w.used, w.usedUntil = limited, inFlight, nxt
	}
	if w.isLimited() {
		w.mostUsed, w.fullAt = 0, now
		return
	}
	if w.mostUsed = max(w.mostUsed, inFlight); now-w.fullAt < timeout {
		return
	}
	if used := max(w.mostUsed, initialWindow); open && used < w.size {
		w.threshold = w.afterIdle()
		w.size = (w.size + used) / 2
	}
	w.mostUsed, w.fullAt = 0, now
}

// afterIdle returns a slow start threshold that preserves the window.
func (w *congestionWindow) afterIdle() int { return max(w.threshold, w.size/2+w.size/4) }

// restart halves the window for each timeout of an idle period.
func (w *congestionWindow) restart(now, since, timeout time.Duration) {
	if !w.reno {
		w.cubic.idle(now, since)
	}
	idle := now - since
	if idle <= timeout {
		return
	}
	w.threshold = w.afterIdle()
	least := min(initialWindow, w.size)
	for idle -= timeout; idle > 0 && w.size > least; idle -= timeout {
		w.size /= 2
	}
	w.size = max(w.size, least)
	w.count, w.used, w.mostUsed, w.fullAt = 0, 0, 0, now
}

package slownet

import "time"

// maxLate is how late a timer may fire and be made up for. Beyond it, the
// process or the machine was asleep, and so was the link.
const maxLate = 100 * time.Millisecond

// maxBlink is how long something takes at most that did not wait.
const maxBlink = 100 * time.Microsecond

// madeUpLocked returns when bytes enter the link that have been there since the
// given time: as soon as it was free, even if a timer fired late. Were each
// piece sent when the timer before it has fired at last, the delays would add
// up. If the link is not free, that lies in the future.
func (h *streamHalf) madeUpLocked(since time.Duration) time.Duration {
	now := h.now()
	if at := max(since, h.flow.Free()); now-at < maxLate {
		return at
	}
	return now
}

// maxThought is how long a caller may be away and still count as coming back
// at once.
const maxThought = time.Millisecond

// lateness is how much later than it was due a call of the user's returned,
// because a timer fired late.
type lateness struct {
	due, done time.Duration
}

// dueLocked says when what the call is doing should have been done.
func (h *streamHalf) dueLocked(at time.Duration) { h.late = lateness{at, h.now()} }

// sinceLocked returns since when the bytes of a call that begins now have been
// there. A caller who comes back at once after a call that returned late would
// have come back earlier.
func (h *streamHalf) sinceLocked() time.Duration {
	now := h.now()
	if late := h.late.done - h.late.due; now-h.late.done < maxThought && late < maxLate {
		return now - late
	}
	return now
}

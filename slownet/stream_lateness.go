package slownet

import "time"

// maxLate is the largest delay of a timer that is compensated for. After a
// longer one the process or the machine was asleep, and so was the link.
const maxLate = 100 * time.Millisecond

// maxNoWait is the longest duration of a call that counts as not having waited.
const maxNoWait = 100 * time.Microsecond

// entryTimeLocked returns when bytes that were ready at the given time enter
// the link: as soon as it was free, even if a timer fired late. If each piece
// were sent when the timer fired, the delays would add up. If the link is not
// free yet, that time is in the future.
func (h *streamHalf) entryTimeLocked(since time.Duration) time.Duration {
	now := h.now()
	if at := max(since, h.flow.Free()); now-at < maxLate {
		return at
	}
	return now
}

// maxTurnaround is the longest time between two calls that counts as none.
const maxTurnaround = time.Millisecond

// lateness is how much later than due a call returned, because a timer fired
// late.
type lateness struct {
	due, done time.Duration
}

// dueLocked records when the work of the call should have been done.
func (h *streamHalf) dueLocked(at time.Duration) { h.late = lateness{at, h.now()} }

// sinceLocked returns since when the bytes of a call that begins now have been
// ready. A caller that comes back at once after a call that returned late would
// have come back earlier.
func (h *streamHalf) sinceLocked() time.Duration {
	now := h.now()
	if late := h.late.done - h.late.due; now-h.late.done < maxTurnaround && late < maxLate {
		return now - late
	}
	return now
}

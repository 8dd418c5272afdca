package slownet

import "time"

// maxLate is the largest delay of a timer that is compensated for. After a
// longer one the process or the machine was asleep, and so was the link.
const maxLate = 100 * time.Millisecond

// maxNoWait is the longest duration of a call that counts as not having waited.
const maxNoWait = 100 * time.Microsecond

// entryTimeLocked returns the time at which bytes that were ready at the given
// time enter the link: as soon as the link was free, even if a timer fired later.
// If each piece were sent when its timer fired, the delays would add up. If the
// link is not free yet, the returned time is in the future.
func (h *streamHalf) entryTimeLocked(since time.Duration) time.Duration {
	now := h.now()
	if at := max(since, h.flow.Free()); now-at < maxLate {
		return at
	}
	return now
}

// maxTurnaround is the longest time between two calls that counts as none.
const maxTurnaround = time.Millisecond

// A lateness tells when the work of the previous call was due, and when it was done:
// later, if a timer fired late.
type lateness struct {
	due, done time.Duration
}

// dueLocked records the time at which the work of the current call was due.
func (h *streamHalf) dueLocked(at time.Duration) { h.late = lateness{at, h.now()} }

// sinceLocked returns the time since which the bytes of a call that begins now have
// been ready. If the previous call returned late, and the caller calls again at once,
// that is earlier than now: it would have called earlier, too.
func (h *streamHalf) sinceLocked() time.Duration {
	now := h.now()
	if late := h.late.done - h.late.due; now-h.late.done < maxTurnaround && late < maxLate {
		return now - late
	}
	return now
}

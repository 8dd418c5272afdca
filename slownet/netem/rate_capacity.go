package netem

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// capacity is the state of a rate or a replay.
type capacity struct {
	free  time.Duration // time at which the next bytes may pass
	meter meter
	slot  int64 // the slot of the replay that was used last
	used  int   // bytes used of that slot
}

// pass serializes some of n bytes that come at the given time, after all that
// came before. It returns their number, which is n or what the replay's slot
// can still hold, and the time at which the last of them has passed. Without
// rate or replay they pass at once.
func (c *capacity) pass(now time.Duration, n int, rate Rate, replay *Replay) (int, time.Duration) {
	start := max(now, c.free)
	switch {
	case replay != nil:
		slot := replay.next(start)
		if slot <= c.slot && c.used == slotSize {
			c.slot, c.used = c.slot+1, 0
		} else if slot > c.slot {
			c.slot, c.used = slot, 0
		}
		n = min(n, slotSize-c.used)
		c.used += n
		c.free = replay.at(c.slot)
	case rate > 0:
		if c.free < now {
			c.meter = meter{} // it was idle: nothing is left to carry over
		}
		c.free = timeline.Add(start, c.meter.take(rate, n))
	default:
		return n, start
	}
	return n, c.free
}

// passAll serializes n bytes, and returns the time at which the last of them
// has passed.
func (c *capacity) passAll(now time.Duration, n int, rate Rate, replay *Replay) time.Duration {
	passed, leave := c.pass(now, n, rate, replay)
	for n -= passed; n > 0; n -= passed {
		passed, leave = c.pass(now, n, rate, replay)
	}
	return leave
}

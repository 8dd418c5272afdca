package simtest

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// Writes need not wake the loop at once if they have no effect before they arrive. Such
// writes are sent when the loop wakes for another reason, or when they are due to
// arrive, as of the time at which they were written. So a piece costs one turn of the
// loop instead of two. Nothing observes the difference: a write or post at a later time
// sends deferred bytes first, and by then everything written at their instant has been
// posted.

// postSentLocked posts written bytes to the loop.
func (c *conn) postSentLocked(n int) {
	s := c.sim
	ahead := c.aheadIfDeferredLocked()
	if ahead <= 0 {
		s.postLocked(action{key: c.key(sending), what: sent, host: c.host, conn: c, n: n})
		return
	}
	if !s.deferred { // otherwise this is the same instant, see lock
		s.deferred, s.deferredAt = true, s.now()
	}
	now := s.deferredAt
	a := s.newActionLocked()
	a.key = c.key(sending)
	a.what, a.host, a.conn, a.n = sent, c.host, c, n
	if at := timeline.Add(now, ahead); at < s.alarmAt {
		s.alarm.Reset(at - now)
		s.alarmAt = at
	}
}

// neverDefer makes every write wake the loop at once.
var neverDefer = false // a variable for tests

// aheadIfDeferredLocked returns the least time until bytes that are written now have an
// effect, whatever else is in flight, or 0 if they must be sent at once. Recording packets
// counts as an effect.
func (c *conn) aheadIfDeferredLocked() time.Duration {
	s := c.sim
	if !s.asleep || !c.lazy || c.fresh >= burst || s.nap == nil || s.trace.packets || neverDefer ||
		s.urgent.pairs > 0 || s.urgent.left > 0 || s.urgent.hops > 0 {
		return 0
	}
	return c.leastLookahead()
}

// lock locks mu for a call that reads or changes state of the loop.
func (s *Sim) lock() {
	s.mu.Lock()
	if s.deferred {
		s.sendDeferredLocked(s.now())
	}
}

// sendDeferredLocked sends the writes that were deferred before the given time.
func (s *Sim) sendDeferredLocked(now time.Duration) {
	if !s.deferred || s.deferredAt == now {
		return
	}
	instant := s.instant
	s.instant = s.deferredAt
	s.catchUpLocked(s.instant)
	s.collectLocked()
	s.instant = instant
}

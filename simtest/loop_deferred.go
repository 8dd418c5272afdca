package simtest

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// Bytes that are written need not wake the loop at once, if nothing can come of them
// before they arrive: they leave when the loop wakes anyway, or when they are to
// arrive, with the time at which they were written. So a piece costs one turn of the
// loop instead of two. Nothing looks at what the loop does before that: whoever writes
// or posts at a later time has them leave first, and by then all that was written with
// them has been posted.

// postSentLocked hands the loop bytes that were written.
func (c *conn) postSentLocked(n int) {
	s := c.sim
	a := action{key: c.key(sending), what: sent, host: c.host, conn: c, n: n}
	if !s.asleep || !c.mayDeferLocked() {
		s.postLocked(a)
		return
	}
	if !s.deferred { // else this is that instant, see lock
		s.deferred, s.deferredAt = true, s.now()
	}
	now := s.deferredAt
	s.posted = append(s.posted, a)
	if at := timeline.Add(now, c.leastLookahead()); at < s.alarmAt {
		s.alarm.Reset(at - now)
		s.alarmAt = at
	}
}

// neverDefer has writes wake the loop at once.
var neverDefer = false // a variable for tests

// mayDeferLocked reports whether nothing comes of bytes that are written now before
// the least latency has passed, whatever else is under way. If packets are recorded,
// they are when they leave.
func (c *conn) mayDeferLocked() bool {
	s := c.sim
	return c.lazy && c.fresh < burst && s.nap != nil && !s.trace.packets && !neverDefer &&
		s.urgent.pairs == 0 && s.urgent.left == 0 && s.urgent.hops == 0 && c.leastLookahead() > 0
}

// lock locks mu for a call that looks at what the loop has done, or changes what it is
// to look at.
func (s *Sim) lock() {
	s.mu.Lock()
	if s.deferred {
		s.sendDeferredLocked(s.now())
	}
}

// sendDeferredLocked puts on its way what was posted late before the given time.
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

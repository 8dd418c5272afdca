package slownet

import (
	"sync"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A line is a link in use, by one half of a connection or by several halves.
type line struct {
	mu     sync.Mutex // guards the fields below; the lock of a half may be held
	inner  netem.Line
	shared bool          // set before it is used
	last   time.Duration // the latest time that begin returned, if the line is shared
	timer  *lineTimer    // nil while no packet waits
}

func newLine(link *netem.Link, seed uint64, origin time.Time) *line {
	l := new(line)
	l.init(link, seed, origin)
	return l
}

func (l *line) init(link *netem.Link, seed uint64, origin time.Time) {
	l.inner.Init(link, seed)
	l.inner.Join(origin)
}

// unlimited is the line of all halves whose link is the zero Link and not
// shared. It has no state, so it needs no lock.
var unlimited = newLine(&zeroLink, 0, time.Time{})

// setLink changes the link.
func (l *line) setLink(link *netem.Link, origin time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inner.SetSharedLink(link)
	l.inner.Join(origin)
}

// begin locks the line for something that is sent at the given time, and returns
// the time at which it is sent. On a shared line these times never decrease,
// although each connection compensates for timers that fire late.
func (l *line) begin(at time.Duration) time.Duration {
	if l == unlimited {
		return at
	}
	l.mu.Lock()
	if l.shared {
		l.last = max(l.last, at)
		return l.last
	}
	return at
}

// end unlocks the line that begin locked.
func (l *line) end(e *endpoint) {
	if l != unlimited {
		l.armLocked(e)
		l.mu.Unlock()
	}
}

// hasDiscipline reports whether the line's queue has a discipline, so that packets wait.
func (l *lane) hasDiscipline() bool { return l.link.Queue.Discipline != netem.FIFO }

// A lane is a half's use of a line: a line of its own, or one that it shares
// with other connections. It is guarded by the half's lock.
type lane struct {
	link *netem.Link // the line's link, as the half last saw it; never modified
	line *line
}

// begin puts the half on the path's line or, without one, on a line of its own.
func (l *lane) begin(link *netem.Link, shared *line, seed uint64, origin time.Time) {
	l.link, l.line = link, shared
	if shared == nil {
		l.leave(seed, origin)
	}
}

// leave gives the half a line of its own.
func (l *lane) leave(seed uint64, origin time.Time) {
	l.line = unlimited
	if l.link != &zeroLink {
		l.line = newLine(l.link, seed, origin)
	}
}

func (l *lane) isShared() bool { return l.line.shared }

// change changes the link. It reports whether the half has moved to another
// line, because the old one was not its own.
func (l *lane) change(link *netem.Link, seed uint64, origin time.Time) (moved bool) {
	l.link = link
	if l.isShared() || l.line == unlimited {
		l.leave(seed, origin)
		return true
	}
	l.line.setLink(link, origin)
	return false
}

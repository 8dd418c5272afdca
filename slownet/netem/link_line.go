package netem

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// A Line is a [Link] in use. It belongs to all that crosses it: streams,
// datagrams and the segments of TCP connections share its rate or replay, its
// queue, its loss, duplication, corruption, reordering and jitter. The link's
// Pace is not shared; each [Flow] and [PacketFlow] has its own.
//
// A path may lead over several lines. A packet that arrives at the end of one
// line enters the next at that time, by another call of Send.
//
// A Line has no clock and no goroutine, and no lock but that of a [Bottleneck]:
// whatever drives the model guards a line, with all flows on it. Times are
// durations since an origin of the driver's choice, the same for all flows on
// the line, and must not decrease from call to call.
type Line struct {
	link  *Link // never changed, for others may have it too
	seed  uint64
	state *lineState // nil as long as the link has needed none

	overrides *Overrides // nil for none
}

// lineState is what a link needs that does more than to delay. Its parts are nil
// as long as they are not needed: many lines have one connection each.
type lineState struct {
	server  server        // unless the link has a bottleneck
	shift   time.Duration // added to a time, makes it the bottleneck's
	last    time.Duration // when the packet before arrives, if the link has jitter
	random  *randomState
	delayed *delayed // if the queue counts it
	queue   *lineQueue
}

// randomState is the state of what is random. It follows from the packets on the line
// and their order.
type randomState struct {
	loss                                lossState
	jitter, duplicate, corrupt, reorder previousDraw
}

// NewLine returns a line that is free from the origin on. The seed decides what
// is random; lines that a packet passes one after the other should have
// different ones. It panics on an invalid link; see [Link.Validate].
func NewLine(link Link, seed uint64) *Line {
	link.mustBeValid()
	return &Line{link: &link, seed: seed}
}

// Init makes the line what [NewLine] returns: over a link that is valid, that
// others may have too, and that nobody changes from now on.
func (l *Line) Init(link *Link, seed uint64) { *l = Line{link: link, seed: seed} }

// Link returns the link as it is now.
func (l *Line) Link() Link { return *l.link }

// SharedLink returns the link as it is now. It must not be changed, for others
// may have it too.
func (l *Line) SharedLink() *Link { return l.link }

// SetLink changes the link for what is sent from now on. What is on its way
// already arrives when it would have. What is random goes on where it is. It
// panics on an invalid link; see [Link.Validate].
func (l *Line) SetLink(link Link) {
	link.mustBeValid()
	l.SetSharedLink(&link)
}

// SetSharedLink is SetLink with a link that is valid, that others may have too,
// and that nobody changes from now on.
func (l *Line) SetSharedLink(link *Link) {
	if state := l.state; state != nil {
		if link.Replay != l.link.Replay {
			state.server.capacity.slot, state.server.capacity.used = 0, 0 // they were the other replay's
		}
		state.server.capacity.meter, state.last = meter{}, 0
		if link.Bottleneck == nil {
			state.shift = 0
		}
		if !link.Queue.CountDelayed {
			state.delayed = nil
		}
	}
	l.link = link
}

// Join tells when, on the clock's time line, the line's times begin. It matters
// to a [Bottleneck], and is to be called after a change of link, too.
func (l *Line) Join(origin time.Time) {
	if b := l.link.Bottleneck; b != nil {
		l.withState().shift = b.attach(origin)
	}
}

// withState returns the state, which begins now at the latest.
func (l *Line) withState() *lineState { return ensure(&l.state) }

// ensure returns what is at a place, and makes it if it is nil.
func ensure[T any](place **T) *T {
	if *place == nil {
		*place = new(T)
	}
	return *place
}

// serve returns what packets on the line wait for, and what makes a time its
// own. It is to be given back with release.
func (l *Line) serve() (s *server, shift time.Duration) {
	s = l.open(l.link.Bottleneck)
	if l.link.Bottleneck != nil {
		shift = l.state.shift
	}
	return s, shift
}

// release gives back what serve returned.
func (l *Line) release() { l.close(l.link.Bottleneck) }

// open returns a bottleneck's server, or the line's own for nil. It is to be
// given back with close.
func (l *Line) open(b *Bottleneck) *server {
	state := l.withState()
	if b != nil {
		b.acquire()
		return &b.server
	}
	return &state.server
}

func (l *Line) close(b *Bottleneck) {
	if b != nil {
		b.release()
	}
}

// limits returns what lets only so many bytes pass a server, see open.
func (l *Line) limits(b *Bottleneck) (Rate, *Replay) {
	if b != nil {
		return b.rate, b.replay
	}
	return l.link.Rate, l.link.Replay
}

// pass lets some of n bytes of a stream pass, and returns how many they are and
// when the last of them has passed.
func (l *Line) pass(now time.Duration, n int) (int, time.Duration) {
	if l.state == nil && !l.link.hasCapacity() {
		return n, now
	}
	s, shift := l.serve()
	rate, replay := l.limits(l.link.Bottleneck)
	n, leave := s.capacity.pass(timeline.Add(now, shift), n, rate, replay)
	l.release()
	return n, max(now, timeline.Add(leave, -shift))
}

// atLeast returns how long n bytes take to pass at the rate, if nothing else is
// on the line. With a replay it is not known, and is none.
func (l *Line) atLeast(n int) time.Duration {
	b := l.link.Bottleneck
	if b != nil {
		b.acquire()
		defer b.release()
	}
	if rate, _ := l.limits(b); rate > 0 {
		return new(meter).take(rate, n)
	}
	return 0
}

// passAll lets n bytes pass, and returns when the last of them has passed.
func (l *Line) passAll(now time.Duration, n int) time.Duration {
	passed, leave := l.pass(now, n)
	for n -= passed; n > 0; n -= passed {
		passed, leave = l.pass(now, n)
	}
	return leave
}

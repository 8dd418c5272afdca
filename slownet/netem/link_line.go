package netem

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// A Line is a [Link] in use. Everything that crosses it shares it: streams,
// datagrams and TCP segments share its rate or replay, its queue, its loss,
// duplication, corruption, reordering and jitter. The link's Pace is not
// shared; each [Flow] and [PacketFlow] has its own.
//
// A path may cross several lines. A packet that arrives at the end of one line
// enters the next at that time, by another call of Send.
//
// A Line has no clock and no goroutine, and no lock except that of a
// [Bottleneck]: the driver guards a line and all flows on it. Times are
// durations since an origin of the driver's choice, the same for all flows on
// the line, and must not decrease from call to call.
type Line struct {
	link  *Link // never changed: others may share it
	seed  uint64
	state *lineState // nil until the link needs one

	overrides *Overrides // nil for none
}

// lineState is the state of a link that does more than delay packets. Its parts
// are nil until they are needed: many lines carry a single connection.
type lineState struct {
	server  server        // unless the link has a bottleneck
	shift   time.Duration // added to a time to get the bottleneck's time
	last    time.Duration // arrival time of the previous packet, if the link has jitter
	random  *randomState
	delayed *delayed // if the queue counts it
	queue   *lineQueue
}

// randomState is the state of the random impairments. It follows from the
// packets on the line and their order.
type randomState struct {
	loss                                lossState
	jitter, duplicate, corrupt, reorder previousDraw
}

// NewLine returns a line that is idle at the origin. The seed decides all
// random effects; lines that a packet crosses in succession should have
// different seeds. It panics on an invalid link; see [Link.Validate].
func NewLine(link Link, seed uint64) *Line {
	link.mustBeValid()
	return &Line{link: &link, seed: seed}
}

// Init initializes the line as [NewLine] does. The link must be valid and must
// not change from now on; lines may share it.
func (l *Line) Init(link *Link, seed uint64) { *l = Line{link: link, seed: seed} }

// Link returns the link as it is now.
func (l *Line) Link() Link { return *l.link }

// SharedLink returns the link as it is now. It must not be changed: others may
// share it.
func (l *Line) SharedLink() *Link { return l.link }

// SetLink changes the link for packets sent from now on. Packets in flight
// arrive as before, and the random state is kept. It panics on an invalid link;
// see [Link.Validate].
func (l *Line) SetLink(link Link) {
	link.mustBeValid()
	l.SetSharedLink(&link)
}

// SetSharedLink is SetLink for a shared link, which must be valid and must not
// change from now on.
func (l *Line) SetSharedLink(link *Link) {
	if state := l.state; state != nil {
		if link.Replay != l.link.Replay {
			state.server.capacity.slot, state.server.capacity.used = 0, 0 // they belong to the other replay
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

// Join sets the wall-clock time of the line's origin. A [Bottleneck] needs it.
// Call it again after the link has changed.
func (l *Line) Join(origin time.Time) {
	if b := l.link.Bottleneck; b != nil {
		l.withState().shift = b.attach(origin)
	}
}

// withState returns the state, and creates it if there is none.
func (l *Line) withState() *lineState { return ensure(&l.state) }

// ensure returns the pointer at a place, and allocates its target if it is nil.
func ensure[T any](place **T) *T {
	if *place == nil {
		*place = new(T)
	}
	return *place
}

// serve returns the server of the line's packets, and the offset of its time
// line. The caller must call release afterwards.
func (l *Line) serve() (s *server, shift time.Duration) {
	s = l.open(l.link.Bottleneck)
	if l.link.Bottleneck != nil {
		shift = l.state.shift
	}
	return s, shift
}

// release ends the use of the server that serve returned.
func (l *Line) release() { l.close(l.link.Bottleneck) }

// open returns a bottleneck's server, or the line's own for nil. The caller
// must call close afterwards.
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

// limits returns the rate or the replay of a server; see open.
func (l *Line) limits(b *Bottleneck) (Rate, *Replay) {
	if b != nil {
		return b.rate, b.replay
	}
	return l.link.Rate, l.link.Replay
}

// pass serializes some of n bytes of a stream, and returns their number and the
// time at which the last of them has passed.
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

// atLeast returns the serialization time of n bytes if nothing else is on the
// line. With a replay it is unknown, and zero.
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

// passAll serializes n bytes, and returns the time at which the last of them
// has passed.
func (l *Line) passAll(now time.Duration, n int) time.Duration {
	passed, leave := l.pass(now, n)
	for n -= passed; n > 0; n -= passed {
		passed, leave = l.pass(now, n)
	}
	return leave
}

package netem

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// A Bottleneck is a rate that several links share: all links that name it, in
// both directions of one path or of many. Ideal streams that want to send take
// turns, one packet at a time, so each gets its fair share (if their packets
// are of equal size), and what one does not need is left to the others.
//
// Datagrams and TCP segments wait for it in one queue, wherever they come from.
// Each link's Queue sets the limit and the discipline for the packets of that
// link: links with equal Queues share one queue, as on a router's port. Links
// with a discipline use other queues than links without one, and the two kinds
// take turns.
//
// The driver of the model gives it a lock (see Share); after that several
// goroutines may use it.
type Bottleneck struct {
	replay *Replay

	lock   Locker // nil before Share; guards the fields below
	rate   Rate
	server server
	origin time.Time // of its time line; the first connection's
}

// NewBottleneck returns a bottleneck with the given rate; zero is no limit. It
// panics if the rate is negative.
func NewBottleneck(rate Rate) *Bottleneck {
	mustBeValidIn("NewBottleneck", Link{Rate: rate})
	return &Bottleneck{rate: rate}
}

// NewReplayBottleneck returns a bottleneck that follows a recording of a real
// link; nil is no limit. It panics if the replay is empty.
func NewReplayBottleneck(replay *Replay) *Bottleneck {
	mustBeValidIn("NewReplayBottleneck", Link{Replay: replay})
	return &Bottleneck{replay: replay}
}

// SetRate changes the rate for everything sent from now on. It panics if the
// rate is negative, or the bottleneck is a replay.
func (b *Bottleneck) SetRate(rate Rate) {
	mustBeValidIn("SetRate", Link{Rate: rate})
	if b.replay != nil {
		panic("netem: SetRate: the bottleneck is a replay, which has no rate to be set")
	}
	b.acquire()
	defer b.release()
	b.rate = rate
	b.server.capacity.meter = meter{}
}

// Reset makes the bottleneck idle, like a new one: nothing has passed it yet,
// and its time line starts over. Its rate does not change. It is for drivers
// that start time over; departure times that were already returned stay valid.
func (b *Bottleneck) Reset() {
	b.acquire()
	defer b.release()
	b.server, b.origin = server{}, time.Time{}
}

// A Locker is a lock, such as a *sync.Mutex.
type Locker interface {
	Lock()
	Unlock()
}

// Share gives the bottleneck a lock, if it has none. It is for drivers: the
// caller must ensure that the bottleneck is not used at the same time.
func (b *Bottleneck) Share(lock Locker) {
	if b.lock == nil {
		b.lock = lock
	}
}

func (b *Bottleneck) acquire() {
	if b.lock != nil {
		b.lock.Lock()
	}
}

func (b *Bottleneck) release() {
	if b.lock != nil {
		b.lock.Unlock()
	}
}

// attach returns the offset to add to times since the origin to get times on
// the bottleneck's time line.
func (b *Bottleneck) attach(origin time.Time) time.Duration {
	b.acquire()
	defer b.release()
	if b.origin.IsZero() {
		b.origin = origin
	}
	return max(-timeline.End, origin.Sub(b.origin)) // so that it can be subtracted again
}

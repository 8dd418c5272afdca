package netem

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// A Bottleneck is a rate that several links share: all those that name it, in
// both directions of a path or of many. Ideal streams that want to send take
// turns, a packet each, so that each gets its fair share (if their packets are
// of a size), and who needs less leaves the rest to the others.
//
// Datagrams, and the segments of TCP, wait for it in one queue, wherever they
// come from. Each link's Queue says how long that queue may be for what comes
// over the link, and what serves it: links with the same Queue share one as a
// router's line does. Links with a discipline wait in a queue apart from those
// without, and the two take turns.
//
// Whatever drives the model gives it a lock, see Share, and then it may be used
// by several goroutines.
type Bottleneck struct {
	replay *Replay

	lock   Locker // nil before Share; guards what follows
	rate   Rate
	server server
	origin time.Time // of its time line; the first connection's
}

// NewBottleneck returns a bottleneck that passes so many bits per second; zero
// is no limit. It panics if the rate is negative.
func NewBottleneck(rate Rate) *Bottleneck {
	Link{Rate: rate}.mustBeValid()
	return &Bottleneck{rate: rate}
}

// NewReplayBottleneck returns a bottleneck that passes bytes when a real link
// did; nil is no limit. It panics if the replay is empty.
func NewReplayBottleneck(replay *Replay) *Bottleneck {
	Link{Replay: replay}.mustBeValid()
	return &Bottleneck{replay: replay}
}

// SetRate changes the rate for what is sent from now on. It panics if the rate
// is negative, or the bottleneck a replay.
func (b *Bottleneck) SetRate(rate Rate) {
	Link{Rate: rate}.mustBeValid()
	if b.replay != nil {
		panic("netem: SetRate: the bottleneck is a replay, which has no rate to be set")
	}
	b.acquire()
	defer b.release()
	b.rate = rate
	b.server.capacity.meter = meter{}
}

// Reset makes the bottleneck idle, as a new one is: nothing has passed it yet,
// and its time line begins anew. Its rate stays what it is. It is for whoever
// starts time anew; a connection that has something waiting for the bottleneck
// goes on with what it was told.
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

// Share gives the bottleneck a lock, if it has none yet. It is for drivers: who
// calls it makes sure that nobody else uses the bottleneck meanwhile.
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

// attach returns what has to be added to times since the origin to make them
// the bottleneck's.
func (b *Bottleneck) attach(origin time.Time) time.Duration {
	b.acquire()
	defer b.release()
	if b.origin.IsZero() {
		b.origin = origin
	}
	return max(-timeline.End, origin.Sub(b.origin)) // so that it can be taken back
}

package netem

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// path is what streams and datagrams have in common on their way over a link:
// what lets them pass, and what befalls their packets.
type path struct {
	link     *Link // never changed, for others may have it too
	seed     uint64
	luck     *luck // nil as long as the link has left nothing to chance
	capacity capacity
	shift    time.Duration // added to a time, makes it the bottleneck's
}

// luck is the state of what is random.
type luck struct {
	dice                                dice
	loss                                lossState
	jitter, duplicate, corrupt, reorder memory
	again                               retransmitter // of a stream
	outage                              outage        // the same
}

// init begins a path over the link.
func (p *path) init(link *Link, seed uint64) { *p = path{link: link, seed: seed} }

// SharedLink returns the link as it is now. It must not be changed, for others
// may have it too.
func (p *path) SharedLink() *Link { return p.link }

// setLink changes the link. What is random goes on where it is.
func (p *path) setLink(link *Link) {
	if link.Replay != p.link.Replay {
		p.capacity.slot, p.capacity.used = 0, 0 // they were the other replay's
	}
	p.link = link
	p.capacity.meter = meter{}
	if link.Bottleneck == nil {
		p.shift = 0
	}
}

// Join tells when, on the clock's time line, the path's times begin.
func (p *path) Join(origin time.Time) {
	if p.link.Bottleneck != nil {
		p.shift = p.link.Bottleneck.attach(origin)
	}
}

// pass lets some of n bytes pass, and returns how many they are and when the
// last of them has passed.
func (p *path) pass(now time.Duration, n int) (int, time.Duration) {
	if b := p.link.Bottleneck; b != nil {
		n, leave := b.pass(timeline.Add(now, p.shift), n)
		return n, max(now, timeline.Add(leave, -p.shift))
	}
	return p.capacity.pass(now, n, p.link.Rate, p.link.Replay)
}

// passAll lets n bytes pass, and returns when the last of them has passed.
func (p *path) passAll(now time.Duration, n int) time.Duration {
	passed, leave := p.pass(now, n)
	for n -= passed; n > 0; n -= passed {
		passed, leave = p.pass(now, n)
	}
	return leave
}

// withLuck returns the state of what is random.
func (p *path) withLuck() *luck {
	if p.luck == nil {
		p.luck = &luck{dice: newDice(p.seed)}
	}
	return p.luck
}

// latency returns how long the next packet is under way.
func (p *path) latency() time.Duration {
	jitter := &p.link.Jitter
	if jitter.Deviation == 0 {
		return p.link.Latency
	}
	luck := p.withLuck()
	random := luck.dice.correlated(&luck.jitter, jitter.Correlation)
	return max(0, timeline.Add(p.link.Latency, jitter.vary(uint64(random))))
}

// A misfortune is what befalls a packet besides jitter.
type misfortune struct{ lost, duplicated, corrupted, reordered bool }

// misfortune decides what befalls the next packet, or a copy of the last one
// that is sent again.
func (p *path) misfortune(again bool) (m misfortune) {
	if !p.link.isFaulty() {
		return m
	}
	luck := p.withLuck()
	befalls := func(chance *Chance, memory *memory) bool {
		correlation := chance.Correlation
		if again { // a time-out later
			correlation = 0
		}
		return chance.Probability > 0 && luck.dice.correlated(memory, correlation).below(chance.Probability)
	}
	if again {
		m.lost = p.link.Loss.losesCopy(&luck.loss, &luck.dice)
	} else {
		m.lost = p.link.Loss.loses(&luck.loss, &luck.dice)
	}
	m.duplicated = befalls(&p.link.Duplicate, &luck.duplicate)
	m.corrupted = befalls(&p.link.Corrupt, &luck.corrupt)
	m.reordered = befalls(&p.link.Reorder, &luck.reorder)
	return m
}

package netem

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// latency returns how long a packet is under way.
func (l *Line) latency(id PacketID, d draws) time.Duration {
	jitter := &l.link.Jitter
	if jitter.Deviation == 0 {
		return l.link.Latency
	}
	random := d.correlated(DrawnJitter, &made(&l.withState().luck).jitter, jitter.Correlation)
	if l.overrides != nil {
		random = l.overrides.roll(id, DrawnJitter, random)
	}
	return max(0, timeline.Add(l.link.Latency, jitter.vary(uint64(random))))
}

// A misfortune is what befalls a packet besides jitter.
type misfortune struct{ lost, duplicated, corrupted, reordered bool }

// misfortune decides what befalls a packet, or a copy of the last one that is
// sent again.
func (l *Line) misfortune(id PacketID, d draws, again bool) (m misfortune) {
	if !l.link.isFaulty() {
		return m
	}
	luck := made(&l.withState().luck)
	befalls := func(w What, chance *Chance, memory *memory) bool {
		correlation := chance.Correlation
		if again { // a time-out later
			correlation = 0
		}
		return chance.Probability > 0 && d.correlated(w, memory, correlation).below(chance.Probability)
	}
	if again {
		m.lost = l.link.Loss.losesCopy(&luck.loss, d)
	} else {
		m.lost = l.link.Loss.loses(&luck.loss, d)
	}
	m.duplicated = befalls(DrawnDuplicate, &l.link.Duplicate, &luck.duplicate)
	m.corrupted = befalls(DrawnCorrupt, &l.link.Corrupt, &luck.corrupt)
	m.reordered = befalls(DrawnReorder, &l.link.Reorder, &luck.reorder)
	switch {
	case l.overrides == nil:
	case !again:
		l.overrides.change(id, l.link, &m)
	case l.overrides.Calm:
		return misfortune{}
	}
	return m
}

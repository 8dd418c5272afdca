package netem

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// latency returns the latency of a packet.
func (l *Line) latency(id PacketID, d draws) time.Duration {
	jitter := &l.link.Jitter
	if jitter.Deviation == 0 {
		return l.link.Latency
	}
	random := d.correlated(DrawnJitter, &ensure(&l.withState().random).jitter, jitter.Correlation)
	if l.overrides != nil {
		random = l.overrides.roll(id, DrawnJitter, random)
	}
	return max(0, timeline.Add(l.link.Latency, jitter.vary(uint64(random))))
}

// impairments are the impairments of one packet, except jitter.
type impairments struct{ lost, duplicated, corrupted, reordered bool }

// impair draws the impairments of a packet, or of a retransmission of the last
// one.
func (l *Line) impair(id PacketID, d draws, again bool) (m impairments) {
	if !l.link.isFaulty() {
		return m
	}
	random := ensure(&l.withState().random)
	befalls := func(w DrawKind, chance *Chance, memory *previousDraw) bool {
		correlation := chance.Correlation
		if again { // sent a timeout later
			correlation = 0
		}
		return chance.Probability > 0 && d.correlated(w, memory, correlation).below(chance.Probability)
	}
	if again {
		m.lost = l.link.Loss.losesCopy(&random.loss, d)
	} else {
		m.lost = l.link.Loss.loses(&random.loss, d)
	}
	m.duplicated = befalls(DrawnDuplicate, &l.link.Duplicate, &random.duplicate)
	m.corrupted = befalls(DrawnCorrupt, &l.link.Corrupt, &random.corrupt)
	m.reordered = befalls(DrawnReorder, &l.link.Reorder, &random.reorder)
	switch {
	case l.overrides == nil:
	case !again:
		l.overrides.change(id, l.link, &m)
	case l.overrides.NoImpairments:
		return impairments{}
	}
	return m
}

package proxy

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
)

// A toxic is a Toxic of a proxy, with its state. It is immutable: a change replaces it by
// one with the same number.
type toxic struct {
	Toxic
	number uint64       // among the proxy's toxics so far
	seed   uint64       // of its draws
	shared *sharedState // nil if each connection has its own
}

// isSame reports whether both are the same toxic, before and after changes.
func (t *toxic) isSame(other *toxic) bool { return t.number == other.number }

// isStage reports whether the toxic is a stage, as all are except links.
func (t *toxic) isStage() bool {
	_, ok := t.Attributes.(staged)
	return ok
}

// hits reports whether the toxic affects a connection. The answer is drawn from the
// toxic's seed, and is always the same.
func (t *toxic) hits(number uint64) bool {
	draw := float64(mix64.Mix(mix64.Mix(t.seed, number), 1)>>11) / (1 << 53)
	return draw < float64(t.Toxicity)
}

// newStage creates the stage for one direction of a connection.
func (t *toxic) newStage(now time.Duration, number uint64, s Stream, datagrams bool) stage {
	seed := mix64.Mix(mix64.Mix(t.seed, number), 2+uint64(s))
	return t.Attributes.(staged).newStage(setting{now: now, seed: seed, datagrams: datagrams, shared: t.shared})
}

package proxy

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
)

// A toxic is one that a proxy has. Its Toxic is guarded by the proxy's lock.
type toxic struct {
	Toxic
	seed   uint64       // of what it draws
	shared *sharedState // nil if each connection has its own
}

// isStage reports whether the toxic does something to items, as all do but a link.
func (t *toxic) isStage() bool {
	_, ok := t.Attributes.(staged)
	return ok
}

// hits reports whether the toxic affects a connection, which is drawn from its seed:
// the answer is the same however often it is asked.
func (t *toxic) hits(number uint64) bool {
	draw := float64(mix64.Mix(mix64.Mix(t.seed, number), 1)>>11) / (1 << 53)
	return draw < float64(t.Toxicity)
}

// newStage makes the stage for one direction of a connection.
func (t *toxic) newStage(now time.Duration, number uint64, s Stream, datagrams bool) stage {
	seed := mix64.Mix(mix64.Mix(t.seed, number), 2+uint64(s))
	return t.Attributes.(staged).newStage(setting{now: now, seed: seed, datagrams: datagrams, shared: t.shared})
}

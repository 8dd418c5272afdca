package proxy

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
)

// latencyStage delays each item, including the end of the stream.
type latencyStage struct {
	passing
	Latency
	seed  uint64
	count uint64        // items so far
	last  time.Duration // time at which the last item leaves
}

func (a Latency) newStage(s setting) stage { return &latencyStage{Latency: a, seed: s.seed} }

func (l *latencyStage) push(now time.Duration, it item) {
	delay := l.Latency.Latency
	if l.Jitter > 0 { // uniform, from latency - jitter up to latency + jitter
		draw := float64(mix64.Mix(l.seed, l.count)>>11) / (1 << 53)
		delay += time.Duration((2*draw - 1) * float64(l.Jitter))
	}
	l.count++
	// Items that waited in front of a full stage have waited long enough, except for
	// the lateness of timers.
	it.at = max(it.at, now-maxLate) + max(0, delay)
	l.last = max(l.last, it.at)
	it.at = l.last
	l.queue.push(it)
}

func (l *latencyStage) hasRoom() bool { return l.queue.size < largeRoom }

// change does not affect items in flight.
func (l *latencyStage) change(_ time.Duration, a Attributes) { l.Latency = a.(Latency) }

// maxLate is the largest lateness of a timer that is compensated for.
const maxLate = 100 * time.Millisecond

package slownet

import (
	"sync"

	"github.com/slowpoetry/slowpoetry/internal/lines"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// shared holds the most recently used links. Connections that are wrapped
// individually with equal links share one Link in memory.
var shared struct {
	mu    sync.Mutex
	links [8]*netem.Link
	next  int
}

var zeroLink netem.Link

// intern returns a link that is equal to the given one and must not be
// modified.
func intern(link netem.Link) *netem.Link {
	lines.Share(link.Bottleneck)
	if link.IsZero() {
		return &zeroLink
	}
	shared.mu.Lock()
	defer shared.mu.Unlock()
	for _, l := range shared.links {
		if l != nil && *l == link {
			return l
		}
	}
	l := &link
	shared.links[shared.next] = l
	shared.next = (shared.next + 1) % len(shared.links)
	return l
}

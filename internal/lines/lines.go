// Package lines lets goroutines share a bottleneck. The model has no locks of its own,
// so its drivers use this package to add one to each shared bottleneck.
package lines

import (
	"sync"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

var mu sync.Mutex // guards each first call for a bottleneck

// Share makes a bottleneck safe for use by several goroutines. Nil is ignored.
func Share(b *netem.Bottleneck) {
	if b == nil {
		return
	}
	mu.Lock()
	defer mu.Unlock()
	b.Share(new(sync.Mutex))
}

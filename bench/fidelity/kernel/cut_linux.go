package kernel

import (
	"slices"
	"sync"
	"time"
)

// A cut loses packets of a direction before they are on its line, while it is on.
type cut struct {
	mu   sync.Mutex // guards what follows
	on   bool
	lost []time.Time
}

// admit reports whether a packet is not lost.
func (c *cut) admit(at time.Time, _ []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.on {
		c.lost = append(c.lost, at)
	}
	return !c.on
}

func (c *cut) set(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.on = on
}

// reset switches the cut off, and forgets what it lost.
func (c *cut) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.on, c.lost = false, nil
}

func (c *cut) lostAt() []time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.lost)
}

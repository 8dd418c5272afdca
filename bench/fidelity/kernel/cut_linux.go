package kernel

import (
	"slices"
	"sync"
	"time"
)

// A cut drops the packets of a direction before they reach its line, while it is on.
type cut struct {
	mu   sync.Mutex // guards the fields below
	on   bool
	lost []time.Time
}

// admit reports whether a packet passes.
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

// reset turns the cut off, and forgets what it dropped.
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

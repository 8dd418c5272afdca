package slownet

import (
	"context"
	"errors"
)

// shut closes a connection and waits until everything has arrived.
func shut(c interface {
	Close() error
	Drain(context.Context) error
}) error {
	return errors.Join(c.Close(), c.Drain(context.Background()))
}

// awaitEnd waits until no background work is left.
func (h *half) awaitEnd() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.background {
		h.waitLocked(&h.changed, never)
	}
}

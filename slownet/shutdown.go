package slownet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
)

// An owner has made a connection, and waits for it when it is shut down.
type owner interface {
	forget(c drainable) // it is drained, and the inner connection closed
}

// A drainable is a wrapped connection.
type drainable interface {
	Drain(ctx context.Context) error
	isDraining() bool
}

// A group is the connections that were made by one that are not drained yet.
type group struct {
	mu      sync.Mutex // guards what follows
	members map[drainable]struct{}
}

func (g *group) add(c drainable) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.members == nil {
		g.members = make(map[drainable]struct{})
	}
	g.members[c] = struct{}{}
}

func (g *group) forget(c drainable) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.members, c)
}

func (g *group) all() []drainable {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Keys(g.members))
}

// drain waits until what was written to all members has arrived.
func (g *group) drain(ctx context.Context) error {
	members := g.all()
	var lost error
	for _, c := range members {
		err := c.Drain(ctx)
		if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			members = slices.DeleteFunc(members, func(c drainable) bool { return !c.isDraining() })
			return fmt.Errorf("slownet: shutdown: connections with something on its way: %d: %w", len(members), err)
		}
		lost = errors.Join(lost, err)
	}
	return lost
}

// Shutdown closes the listener, but none of its connections, and waits until what
// was written to them has arrived; of a connection that is closed, also until its
// inner connection is closed. Connections that are open stay so, and those on
// which nothing is on its way are not waited for. Call it after the Shutdown or
// the Close of a server, as net/http has them, which close the connections.
//
// If the context is done first, Shutdown returns an error that matches the
// context's, and the bytes travel on. It returns errors as of [Conn.Drain] for
// what was discarded.
func (l *Listener) Shutdown(ctx context.Context) error {
	err := l.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return errors.Join(err, l.group.drain(ctx))
}

// Shutdown waits until what was written to the connections that the Dialer has
// made has arrived; of a connection that is closed, also until its inner
// connection is closed. It closes none, and does not wait for those on which
// nothing is on its way. The Dialer may be used further, and what it makes
// meanwhile is not waited for.
//
// If the context is done first, Shutdown returns an error that matches the
// context's, and the bytes travel on. It returns errors as of [Conn.Drain] for
// what was discarded.
func (d *Dialer) Shutdown(ctx context.Context) error { return d.group.drain(ctx) }

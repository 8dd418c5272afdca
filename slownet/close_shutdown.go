package slownet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// An owner is a Listener or Dialer: it waits for its connections when it is
// shut down.
type owner interface {
	add(c drainable)
	forget(c drainable) // it is drained, and the inner connection closed
}

// owners are the listener or dialer that made a connection, and its path. The zero
// value means none.
type owners struct {
	by   owner // a Listener, or the group of a Dialer
	path *Path
}

// keep makes the owners remember their new connection.
func (o *owners) keep(c drainable) {
	if o.by != nil {
		o.by.add(c)
	}
	o.path.group.add(c)
}

// forget makes the owners forget a connection that is drained.
func (o *owners) forget(c drainable) {
	if o.by != nil {
		o.by.forget(c)
	}
	if o.path != nil {
		o.path.group.forget(c)
	}
}

// A drainable is a wrapped connection.
type drainable interface {
	Drain(ctx context.Context) error
	isDraining() bool
	pathChanged(links [2]*netem.Link) // by Direction
}

// A group holds an owner's connections that are not drained yet.
type group struct {
	mu      sync.Mutex // guards the fields below
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

func (g *group) isEmpty() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.members) == 0
}

func (g *group) all() []drainable {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Keys(g.members))
}

// drain waits until everything written to the members has arrived.
func (g *group) drain(ctx context.Context) error {
	members := g.all()
	var lost error
	for _, c := range members {
		err := c.Drain(ctx)
		if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			members = slices.DeleteFunc(members, func(c drainable) bool { return !c.isDraining() })
			return fmt.Errorf("slownet: shutdown: connections with something in flight: %d: %w", len(members), err)
		}
		lost = errors.Join(lost, err)
	}
	return lost
}

// Shutdown closes the listener, but none of its connections, and waits until all
// data written to them has arrived; for a closed connection it also waits until
// the inner connection is closed. Open connections stay open; if nothing is in
// flight on them, Shutdown does not wait for them. Call it after a server's own
// Shutdown or Close, such as net/http's, which closes the connections.
//
// If the context is done first, Shutdown returns an error that matches the
// context's, and delivery goes on. For bytes that were discarded it returns
// errors like [Conn.Drain]'s.
func (l *Listener) Shutdown(ctx context.Context) error {
	err := l.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return errors.Join(err, l.group.drain(ctx))
}

// Shutdown waits until everything written to the Dialer's connections has
// arrived; for a closed connection it also waits until the inner connection is
// closed. It closes no connection, and does not wait for open connections with
// nothing in flight. The Dialer may still be used; Shutdown does not wait for
// connections that it makes meanwhile.
//
// If the context is done first, Shutdown returns an error that matches the
// context's, and delivery goes on. For bytes that were discarded it returns
// errors like [Conn.Drain]'s.
func (d *Dialer) Shutdown(ctx context.Context) error { return d.group.drain(ctx) }

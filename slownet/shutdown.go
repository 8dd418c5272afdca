package slownet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
)

// An owner has made connections, and waits for them when it is shut down.
type owner interface {
	forget(c *Conn, lost error) // the connection is drained
}

// A group counts the connections that somebody has made and that are not drained
// yet.
type group struct {
	mu      sync.Mutex // guards what follows
	open    int
	changed signal
	waiting int   // calls of await
	lost    error // what was lost while somebody waited
}

func (g *group) add() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open++
}

// done says that a connection is drained, or that it has lost something.
func (g *group) done(lost error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open--
	if g.waiting > 0 {
		g.lost = errors.Join(g.lost, lost)
	}
	if g.open == 0 {
		g.changed.wake()
	}
}

// await waits until all connections are drained.
func (g *group) await(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting++
	defer func() {
		if g.waiting--; g.waiting == 0 {
			g.lost = nil
		}
	}()
	for g.open > 0 {
		changed := g.changed.wait()
		g.mu.Unlock()
		select {
		case <-changed:
			g.mu.Lock()
		case <-ctx.Done():
			g.mu.Lock()
			return fmt.Errorf("slownet: shutdown: %d connections are not closed, or what was written to them is on its way: %w", g.open, ctx.Err())
		}
	}
	return g.lost
}

// Shutdown closes the listener, but none of its connections. It waits until each
// of them has been closed by whoever uses it, what was written to it has arrived,
// and its inner connection is closed; so it follows the Shutdown or the Close of
// a server, as net/http has them, which close the connections.
//
// It returns an error that matches the context's if that is done first, and
// leaves the connections be. It returns errors as of [Conn.Drain] for what was
// discarded meanwhile.
func (l *Listener) Shutdown(ctx context.Context) error {
	err := l.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return errors.Join(err, l.group.await(ctx))
}

// Shutdown waits until each connection that the Dialer has made has been closed
// by whoever uses it, what was written to it has arrived, and its inner
// connection is closed. It closes none itself: with an http.Transport, call its
// CloseIdleConnections first. The Dialer may be used further, and what it makes
// meanwhile is waited for as well.
//
// It returns an error that matches the context's if that is done first, and
// errors as of [Conn.Drain] for what was discarded meanwhile.
func (d *Dialer) Shutdown(ctx context.Context) error { return d.group.await(ctx) }

// forget is called by a connection that is drained.
func (d *Dialer) forget(_ *Conn, lost error) { d.group.done(lost) }

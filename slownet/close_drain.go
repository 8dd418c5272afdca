package slownet

import (
	"context"
	"errors"
	"fmt"
)

// Drain waits until all bytes written before the call have arrived at the inner
// connection, and after CloseWrite also until the end of the stream has. After
// Close it also waits until the inner connection is closed. If the inner
// connection has a Drain method, as another Conn does, Drain then calls it. On an
// open connection, writes of other goroutines may make Drain wait longer.
//
// If written bytes were discarded, Drain returns an error with their number and
// the cause: a fault, an error of the inner connection, SetLinger(0), or nothing
// moving for five seconds after Close. If the context is done first, Drain
// returns the context's error, and delivery goes on.
func (c *Conn) Drain(ctx context.Context) error {
	return drain(ctx, &c.out.linger, c.inner)
}

// Drain waits until the datagrams that were sent before have arrived at the
// inner connection or were dropped by the link. After Close it waits until the
// inner connection is closed, too. See [Conn.Drain].
func (c *PacketConn) Drain(ctx context.Context) error {
	return drain(ctx, &c.out.linger, c.inner)
}

// drain waits until a wrapper is drained, and then its inner connection if that
// has a Drain method.
func drain(ctx context.Context, l *linger, inner any) error {
	lost, err := l.awaitDrained(ctx)
	if err != nil {
		return err
	}
	if inner, ok := inner.(interface{ Drain(context.Context) error }); ok {
		return errors.Join(lost, inner.Drain(ctx))
	}
	return lost
}

// awaitDrained waits until everything has arrived. lost is the error for data that
// was discarded, and err the context's error if the context is done first.
func (l *linger) awaitDrained(ctx context.Context) (lost, err error) {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	for l.isDrainingLocked() {
		changed := l.of.changed.wait()
		l.of.mu.Unlock()
		select {
		case <-changed:
			l.of.mu.Lock()
		case <-ctx.Done():
			l.of.mu.Lock()
			return nil, ctx.Err()
		}
	}
	return l.drainer.lossLocked(), nil
}

// isDrainingLocked reports whether written data is still in flight, or the
// inner connection of a closed connection is not closed yet.
func (l *linger) isDrainingLocked() bool { return l.of.background || l.of.closed && !l.drained }

func (l *linger) isDraining() bool {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	return l.isDrainingLocked()
}

func (c *Conn) isDraining() bool       { return c.out.linger.isDraining() }
func (c *PacketConn) isDraining() bool { return c.out.linger.isDraining() }

// error returns the error for discarded bytes or datagrams.
func (l *loss) error(what string) error {
	return fmt.Errorf("slownet: drain: %s: %w", what, l.cause)
}

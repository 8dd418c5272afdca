package clients

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"
)

// pieceSize is the size of the read buffer in bytes.
const pieceSize = 64 << 10

// GetPoetry gets the poem of the server at the address, "host:port", and waits
// for its end. With an error it returns the part that arrived. When the context
// is done, the error is the context's cause.
func (c *Client) GetPoetry(ctx context.Context, address string) ([]byte, error) {
	return c.getPoetry(ctx, address, func(TaskEventKind, int) {})
}

// GetPoetry gets a poem with the zero [Client].
func GetPoetry(ctx context.Context, address string) ([]byte, error) {
	return new(Client).GetPoetry(ctx, address)
}

// GetAll gets the poems of several servers, one after another. It continues
// after a server that fails. When the context is done, the remaining tasks are
// not started; their error is the context's cause.
func (c *Client) GetAll(ctx context.Context, addresses []string) []Result {
	clock := c.clock()
	results := make([]Result, len(addresses))
	for i, address := range addresses {
		if ctx.Err() != nil {
			results[i] = Result{Address: address, Err: context.Cause(ctx)}
			continue
		}
		task, start := i+1, clock.Now()
		c.tell(TaskEvent{Kind: Started, Task: task, Address: address})
		poem, err := c.getPoetry(ctx, address, func(kind TaskEventKind, n int) {
			c.tell(TaskEvent{Kind: kind, Task: task, Address: address, Bytes: n, Elapsed: clock.Since(start)})
		})
		results[i] = Result{Address: address, Poem: poem, Elapsed: clock.Since(start), Err: err}
		c.reportEnd(task, results[i])
	}
	return results
}

// getPoetry gets a poem, and reports the connection and each piece.
func (c *Client) getPoetry(ctx context.Context, address string, tell func(kind TaskEventKind, n int)) (poem []byte, err error) {
	ctx, cancel := c.withMaxTime(ctx)
	defer cancel()
	conn, err := c.connect(ctx, address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	tell(Connected, 0)
	watch := c.watch(ctx, conn)
	defer watch.end()
	buffer := make([]byte, pieceSize)
	for {
		watch.begin()
		n, err := conn.Read(buffer)
		watch.pause()
		if n > 0 {
			poem = append(poem, buffer[:n]...)
			tell(Piece, n)
			if err := c.checkSize(len(poem)); err != nil {
				return poem, err
			}
		}
		switch {
		case err == io.EOF:
			return poem, checkEnd(poem)
		case err != nil:
			return poem, watch.explain(err)
		}
	}
}

// withMaxTime returns a context that ends after MaxTime.
func (c *Client) withMaxTime(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.MaxTime <= 0 {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	timer := c.clock().AfterFunc(c.MaxTime, func() { cancel(&TooSlowError{c.MaxTime}) })
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}

// connect dials, within Timeout.
func (c *Client) connect(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if timeout := c.timeout(); timeout > 0 {
		timer := c.clock().AfterFunc(timeout, func() { cancel(&StallError{Timeout: timeout}) })
		defer timer.Stop()
	}
	conn, err := c.dial(ctx, address)
	if err != nil {
		return nil, dialError(ctx, err)
	}
	return conn, nil
}

// A watch wakes a blocked read when the server stalls or the context ends.
type watch struct {
	ctx     context.Context
	timeout time.Duration
	stalled atomic.Bool
	stop    func() bool  // stops waiting for the context
	timer   *clock.Timer // nil without a timeout
}

// longAgo is a deadline in the past.
var longAgo = time.Unix(1, 0)

func (c *Client) watch(ctx context.Context, conn net.Conn) *watch {
	w := &watch{ctx: ctx, timeout: c.timeout()}
	wake := func() { _ = conn.SetReadDeadline(longAgo) }
	w.stop = context.AfterFunc(ctx, wake)
	if w.timeout > 0 {
		w.timer = c.clock().AfterFunc(w.timeout, func() {
			w.stalled.Store(true)
			wake()
		})
	}
	return w
}

// begin restarts the timeout.
func (w *watch) begin() {
	if w.timer != nil {
		w.timer.Reset(w.timeout)
	}
}

// pause stops the timeout, as time spent in the observer does not count.
func (w *watch) pause() {
	if w.timer != nil {
		w.timer.Stop()
	}
}

// explain returns the reason why a read has failed.
func (w *watch) explain(err error) error {
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case w.stalled.Load():
		return &StallError{Connected: true, Timeout: w.timeout}
	case w.ctx.Err() != nil:
		return context.Cause(w.ctx)
	}
	return err
}

func (w *watch) end() {
	w.stop()
	w.pause()
}

package clients

import (
	"context"
	"io"
	"net"
	"reflect"
	"sync"
	"time"

	"github.com/slowpoetry/slowpoetry/reactor"
)

// GetPoetryAsync starts getting the poem of the server at the address,
// "host:port", and returns at once. Later, done is called on the reactor's
// loop. With an error, the poem is the part that arrived; when the context is
// done, the error is the context's cause. The caller runs the loop.
func (c *Client) GetPoetryAsync(ctx context.Context, r *reactor.Reactor, address string, done func(poem []byte, err error)) {
	d := &download{client: c, reactor: r, address: address, tell: func(TaskEventKind, int) {}, done: done}
	r.Call(func() { d.start(ctx) })
}

// GetAllAsync gets the poems of several servers, all at once, and returns when
// the last has arrived or failed. It runs a reactor on the calling goroutine.
func (c *Client) GetAllAsync(ctx context.Context, addresses []string) []Result {
	r := &reactor.Reactor{Clock: c.clock()}
	results := make([]Result, len(addresses))
	downloads := make([]*download, len(addresses))
	start := r.Now()
	elapsed := func() time.Duration { return r.Now().Sub(start) }
	r.OutOfDescriptors = func(err error) { c.tell(TaskEvent{Kind: Waiting, Elapsed: elapsed(), Err: err}) }
	for i, address := range addresses {
		task := i + 1
		results[i].Address = address
		downloads[i] = &download{
			client:  c,
			reactor: r,
			address: address,
			tell: func(kind TaskEventKind, n int) {
				c.tell(TaskEvent{Kind: kind, Task: task, Address: address, Bytes: n, Elapsed: elapsed()})
			},
			done: func(poem []byte, err error) {
				results[i] = Result{Address: address, Poem: poem, Elapsed: elapsed(), Err: err}
				c.reportEnd(task, results[i])
			},
		}
		r.Call(func() {
			c.tell(TaskEvent{Kind: Started, Task: task, Address: address})
			downloads[i].start(ctx)
		})
	}
	if err := r.Run(); err != nil {
		for _, d := range downloads {
			d.finish(err)
		}
	}
	return results
}

// A download gets one poem. It belongs to the loop, and is the handler of its
// connection.
type download struct {
	client  *Client
	reactor *reactor.Reactor
	address string
	tell    func(kind TaskEventKind, n int) // reports the connection and each piece
	done    func(poem []byte, err error)

	ctx      context.Context // nil before start
	cancel   func()          // cancels the dial
	stop     func()          // stops waiting for the context
	conn     *reactor.Conn   // nil before the connection is made
	poem     []byte
	finished bool
	began    time.Time      // time at which the dial began
	last     time.Time      // time of the server's last action
	timer    *reactor.Timer // nil without a time limit
}

// start starts connecting.
func (d *download) start(ctx context.Context) {
	if ctx.Err() != nil {
		d.finish(context.Cause(ctx))
		return
	}
	d.ctx = ctx
	limit, _ := d.client.connectLimit()
	d.cancel = d.reactor.DialTimeout(d.dialKey(), limit,
		func(end context.Context) (net.Conn, error) {
			began := d.reactor.Now()
			conn, err := d.client.dial(valuesOf{end, ctx}, d.address)
			if err != nil {
				return nil, err
			}
			return &dialled{conn, began}, nil
		},
		d.connected)
	d.stop = d.reactor.AfterContext(ctx, func() { d.finish(context.Cause(ctx)) })
}

// dialled is a connection with the time at which its dial began. Dials of one key
// are interchangeable, so the download that gets the connection need not be the
// download that called dial.
type dialled struct {
	net.Conn
	began time.Time
}

// A dialKey is the key of dials that are interchangeable.
type dialKey struct {
	client  *Client
	address string
	ctx     any // the dial function may use its values
}

func (d *download) dialKey() dialKey {
	key := dialKey{d.client, d.address, d.ctx}
	if !reflect.ValueOf(d.ctx).Comparable() {
		key.ctx = d // interchangeable with no other
	}
	return key
}

// valuesOf is a context with the values of another context. The end of the other
// context does not end the dial: the loop ends the downloads in order instead.
type valuesOf struct {
	context.Context
	values context.Context
}

// Value returns the embedded context's value, or else the other's.
func (c valuesOf) Value(key any) any {
	if value := c.Context.Value(key); value != nil {
		return value
	}
	return c.values.Value(key)
}

// connected handles the result of the dial.
func (d *download) connected(conn net.Conn, err error) {
	d.cancel = nil
	switch {
	case err == reactor.ErrDialTimeout:
		_, err = d.client.connectLimit()
		d.finish(err)
		return
	case err != nil:
		d.finish(dialError(d.ctx, err))
		return
	}
	dialled := conn.(*dialled)
	d.conn = d.reactor.Add(dialled.Conn, d)
	d.tell(Connected, 0)
	d.began, d.last = dialled.began, d.reactor.Now() // time spent in the observer does not count
	d.setTimer()
}

// buffers holds the buffers for reading.
var buffers = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// Readable reads the available bytes.
func (d *download) Readable(conn *reactor.Conn) {
	buffer := buffers.Get().(*[pieceSize]byte)
	defer buffers.Put(buffer)
	n, err := conn.Read(buffer[:])
	if n > 0 {
		d.poem = append(d.poem, buffer[:n]...)
		d.tell(Piece, n)
		d.last = d.reactor.Now() // time spent in the observer does not count
		if err := d.client.checkSize(len(d.poem)); err != nil {
			d.finish(err)
			return
		}
	}
	switch err {
	case nil, reactor.ErrWouldBlock:
	case io.EOF:
		d.finish(checkEnd(d.poem))
	default:
		d.finish(err)
	}
}

// limit returns the time at which the download fails unless something arrives
// before, and the error with which it fails. A nil error means no limit.
func (d *download) limit() (at time.Time, err error) {
	if timeout := d.client.timeout(); timeout > 0 {
		at, err = d.last.Add(timeout), &StallError{Connected: true, Timeout: timeout}
	}
	if maxTime := d.client.MaxTime; maxTime > 0 {
		if end := d.began.Add(maxTime); err == nil || end.Before(at) {
			at, err = end, &TooSlowError{maxTime}
		}
	}
	return at, err
}

// setTimer sets the timer for the current limit. While the timer runs, the limit
// may only move to a later time.
func (d *download) setTimer() {
	if at, err := d.limit(); err != nil {
		d.timer = d.reactor.AfterFunc(at.Sub(d.reactor.Now()), d.checkLimit)
	}
}

// checkLimit is called by the timer. It fails the download, or sets the timer
// again if the limit has moved. A slow observer may have kept the loop from
// reading, so available bytes are read first.
func (d *download) checkLimit() {
	d.Readable(d.conn)
	if d.finished {
		return
	}
	if at, err := d.limit(); d.reactor.Now().Before(at) {
		d.setTimer()
	} else {
		d.finish(err)
	}
}

// finish ends the download and delivers the part that arrived.
func (d *download) finish(err error) {
	if d.finished {
		return
	}
	d.finished = true
	if d.cancel != nil {
		d.cancel()
	}
	if d.stop != nil {
		d.stop()
	}
	if d.timer != nil {
		d.timer.Stop()
	}
	if d.conn != nil {
		_ = d.conn.Close()
	}
	d.done(d.poem, err)
}

package clients

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	"github.com/slowpoetry/slowpoetry/clients/reactor"
)

// GetPoetryAsync gets the poem of the server at the address, "host:port",
// without waiting: it returns at once, and done is called later, on the
// reactor's loop, with the poem or the error. With an error the poem is what
// came before it. The caller runs the loop.
func (c *Client) GetPoetryAsync(ctx context.Context, r *reactor.Reactor, address string, done func(poem []byte, err error)) {
	d := newDialler(ctx, c, r)
	download := &download{dialler: d, address: address, done: done, tell: func(int) {}}
	r.Call(func() {
		download.stop = context.AfterFunc(ctx, func() { r.Call(func() { download.finish(context.Cause(ctx)) }) })
		download.sawByte()
		d.start(download)
	})
}

// GetAllAsync gets the poems of several servers, all at once, and returns when
// the last is there or has failed. It runs a reactor on the calling goroutine.
func (c *Client) GetAllAsync(ctx context.Context, addresses []string) []Result {
	clock := c.clock()
	r := &reactor.Reactor{Clock: clock}
	d := newDialler(ctx, c, r)
	results := make([]Result, len(addresses))
	downloads := make([]*download, len(addresses))
	start := clock.Now()
	for i, address := range addresses {
		task := i + 1
		results[i].Address = address
		downloads[i] = &download{
			dialler: d,
			address: address,
			tell: func(n int) {
				c.tell(Event{Kind: Piece, Task: task, Address: address, Bytes: n, Elapsed: clock.Since(start)})
			},
			done: func(poem []byte, err error) {
				results[i] = Result{Address: address, Poem: poem, Elapsed: clock.Since(start), Err: err}
				c.tellEnd(task, results[i])
			},
		}
	}
	r.Call(func() {
		for i, download := range downloads {
			c.tell(Event{Kind: Started, Task: i + 1, Address: download.address})
			download.sawByte()
			d.start(download)
		}
	})
	finishAll := func(err error) {
		for _, download := range downloads {
			download.finish(err)
		}
	}
	stop := context.AfterFunc(ctx, func() { r.Call(func() { finishAll(context.Cause(ctx)) }) })
	defer stop()
	if err := r.Run(); err != nil {
		finishAll(err)
	}
	return results
}

// A download is one poem on its way. It is the handler of its connection.
type download struct {
	dialler *dialler
	address string
	tell    func(n int) // of every piece
	done    func(poem []byte, err error)
	stop    func() bool // of a context.AfterFunc; may be nil

	conn     *reactor.Conn // nil until it is connected
	poem     []byte
	finished bool
	last     time.Time      // when something happened last
	stall    *reactor.Timer // nil without a time-out
}

// buffers are what downloads read into.
var buffers = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// Readable reads what is there.
func (d *download) Readable(conn *reactor.Conn) {
	buffer := buffers.Get().(*[pieceSize]byte)
	defer buffers.Put(buffer)
	n, err := conn.Read(buffer[:])
	if n > 0 {
		d.sawByte()
		d.poem = append(d.poem, buffer[:n]...)
		d.tell(n)
		if err := d.dialler.client.checkSize(len(d.poem)); err != nil {
			d.finish(err)
			return
		}
	}
	switch err {
	case nil, reactor.ErrWouldBlock:
	case io.EOF:
		d.finish(nil)
	default:
		d.finish(err)
	}
}

// connected is called when the dialler has a connection for the download.
func (d *download) connected(conn net.Conn) {
	d.conn = d.dialler.reactor.Add(conn, d)
	d.sawByte()
}

// sawByte starts the time anew in which something must happen.
func (d *download) sawByte() {
	d.last = d.dialler.client.clock().Now()
	if timeout := d.dialler.client.timeout(); d.stall == nil && timeout > 0 {
		d.stall = d.dialler.reactor.AfterFunc(timeout, d.checkStall)
	}
}

// checkStall is what the timer does: it fails the download, or waits again if
// something has happened since.
func (d *download) checkStall() {
	client := d.dialler.client
	timeout := client.timeout()
	if left := timeout - client.clock().Since(d.last); left > 0 {
		d.stall = d.dialler.reactor.AfterFunc(left, d.checkStall)
		return
	}
	d.finish(&StallError{Connected: d.conn != nil, Timeout: timeout})
}

// finish ends the download and delivers what there is.
func (d *download) finish(err error) {
	if d.finished {
		return
	}
	d.finished = true
	if d.stop != nil {
		d.stop()
	}
	if d.stall != nil {
		d.stall.Stop()
	}
	if d.conn != nil {
		_ = d.conn.Close()
	} else {
		d.dialler.giveUp(d)
	}
	d.done(d.poem, err)
}

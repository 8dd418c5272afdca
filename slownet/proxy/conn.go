package proxy

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet"
)

// A conn is a client's connection through a proxy, to the server and back.
type conn struct {
	proxy        *Proxy
	number       uint64 // among the proxy's connections, from 1
	began        time.Time
	resettableAt time.Duration // time, on the server's time line, from which a reset cannot make the client's connect fail
	client       net.Conn
	flows        [2]flow       // by Stream
	closed       chan struct{} // closed with the connection

	raw     net.Conn                     // to the server
	wrapped atomic.Pointer[slownet.Conn] // of raw; set while mu is held; nil if it is on no path
	link    placement                    // guarded by the proxy's linking

	mu       sync.Mutex // guards the fields below
	ended    [2]bool
	patience *time.Timer

	isOver     atomic.Bool
	isFinished atomic.Bool
	closing    sync.Once
}

// newConn returns the connection of a client and a server. The server's net.Conn may be a
// *slownet.Conn.
func newConn(p *Proxy, number uint64, client, server net.Conn, link placement) *conn {
	c := &conn{link: link, proxy: p, number: number, began: time.Now(), client: client, raw: server, closed: make(chan struct{}), resettableAt: p.server.now() + minResetDelay}
	wrapped, isWrapped := server.(*slownet.Conn)
	if isWrapped {
		c.wrapped.Store(wrapped)
		c.raw = wrapped.NetConn()
	}
	c.flows[Upstream].init(c, Upstream, client, server, !isWrapped)
	c.flows[Downstream].init(c, Downstream, server, client, !isWrapped)
	return c
}

// start starts reading from both ends.
func (c *conn) start() {
	c.flows[Upstream].start()
	c.flows[Downstream].start()
}

// run runs f in a goroutine that Server.Close waits for.
func (c *conn) run(f func()) { c.proxy.server.running.run(f) }

func (c *conn) isClosed() bool { return c.isOver.Load() }

// wrap puts the connection on a path, unless it is on one already.
func (c *conn) wrap(path *slownet.Path, at placement) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wrapped.Load() != nil || c.isClosed() {
		return
	}
	c.link = at
	c.wrapped.Store(path.Conn(c.raw)) // the flows notice this in followLocked
}

// minResetDelay is the minimum time between accepting a client and resetting it. An
// earlier reset might make the client's connect fail.
const minResetDelay = 10 * time.Millisecond

// handle performs an action on the connection.
func (c *conn) handle(what itemKind) {
	if what == resetItem {
		c.close(true)
		return
	}
	c.finish()
}

// end passes on the end of the stream in one direction. When both directions have ended, it
// closes the connection.
func (c *conn) end(s Stream, to net.Conn) {
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	c.mu.Lock()
	c.ended[s] = true
	both := c.ended[Upstream] && c.ended[Downstream]
	c.mu.Unlock()
	if both {
		c.close(false)
	}
}

// finish ends the streams to both ends, discards bytes that still arrive, and closes the
// connection when both ends have closed their sides, or after finishTime: a socket that is
// closed with unread bytes sends a reset, and the peer might lose the last bytes.
func (c *conn) finish() {
	if c.isFinished.Swap(true) {
		return
	}
	for i := range c.flows {
		f := &c.flows[i]
		f.lock()
		f.discards, f.line = true, pipeline{}
		f.setAlarmLocked()
		f.interruptLocked()
		to := f.to
		signalTo(f.room)
		f.unlock()
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.isClosed() {
		c.patience = time.AfterFunc(finishTime, func() { c.close(false) })
	}
}

// finishTime is the maximum time that finish waits for both ends to close.
const finishTime = 500 * time.Millisecond

// broken is called when a write fails, for example because the peer has reset the
// connection.
func (c *conn) broken(err error) {
	if !errors.Is(err, net.ErrClosed) {
		c.close(!c.isFinished.Load())
	}
}

// close closes both sockets, with or without a reset. It does not block.
func (c *conn) close(reset bool) {
	c.closing.Do(func() {
		c.mu.Lock()
		c.isOver.Store(true)
		close(c.closed)
		server := c.wrapped.Load()
		if c.patience != nil {
			c.patience.Stop()
		}
		c.mu.Unlock()
		if reset {
			setLinger(c.client)
		}
		_ = c.client.Close()
		switch {
		case server == nil:
			if reset {
				setLinger(c.raw)
			}
			_ = c.raw.Close()
		case reset:
			server.Reset()
			_ = server.Close()
		default:
			_ = server.Close()
		}
		for i := range c.flows {
			f := &c.flows[i]
			f.lock()
			f.setAlarmLocked()
			f.polled.remove()
			signalTo(f.wake)
			f.unlock()
		}
		c.proxy.forget(c, reset)
	})
}

// setLinger makes the close of a socket reset its connection.
func setLinger(conn net.Conn) {
	if s, ok := conn.(interface{ SetLinger(int) error }); ok {
		_ = s.SetLinger(0)
	}
}

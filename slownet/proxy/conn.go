package proxy

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet"
)

// A conn is a connection of a client's through a proxy, to the server and back.
type conn struct {
	proxy  *Proxy
	number uint64 // among those of the proxy, from 1
	began  time.Time
	met    time.Duration // when the client's connect has returned, on the server's time line
	client net.Conn
	flows  [2]flow       // by Stream
	closed chan struct{} // closed when it is

	mu       sync.Mutex // guards what follows
	raw      net.Conn   // to the server
	wrapped  *slownet.Conn
	link     placement
	ended    [2]bool
	alarm    *time.Timer
	patience *time.Timer

	isOver     atomic.Bool
	isFinished atomic.Bool
	closing    sync.Once
}

// newConn joins a client and a server. The second of them may be wrapped.
func newConn(p *Proxy, number uint64, client, server net.Conn, link placement) *conn {
	c := &conn{link: link, proxy: p, number: number, began: time.Now(), client: client, raw: server, closed: make(chan struct{}), met: p.server.now() + politeTime}
	wrapped, isWrapped := server.(*slownet.Conn)
	if isWrapped {
		c.wrapped, c.raw = wrapped, wrapped.NetConn()
	}
	c.flows[Upstream].init(c, Upstream, client, server, !isWrapped)
	c.flows[Downstream].init(c, Downstream, server, client, !isWrapped)
	return c
}

// start begins to read from both ends.
func (c *conn) start() {
	c.flows[Upstream].start()
	c.flows[Downstream].start()
}

func (c *conn) isClosed() bool { return c.isOver.Load() }

// wrap makes the connection travel over a path from now on, if it does not yet.
func (c *conn) wrap(path *slownet.Path, at placement) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wrapped != nil || c.isClosed() {
		return
	}
	c.wrapped, c.link = path.Conn(c.raw), at
	for i := range c.flows {
		f := &c.flows[i]
		f.mu.Lock()
		f.wrapLocked(c.raw, c.wrapped)
		f.mu.Unlock()
	}
}

// setToxics makes the connection go through the toxics that affect it, of all that the
// proxy has.
func (c *conn) setToxics(toxics []*toxic, changed *toxic) {
	for i := range c.flows {
		f := &c.flows[i]
		f.mu.Lock()
		if c.isClosed() || c.isFinished.Load() {
			f.mu.Unlock()
			continue
		}
		what, has := f.setLocked(toxics, changed)
		f.mu.Unlock()
		if has {
			c.happen(what)
		}
	}
	c.setAlarm()
}

// nextAlarm returns when the next toxic does something by itself, and what.
func (c *conn) nextAlarm() (at time.Duration, what itemKind, ok bool) {
	for i := range c.flows {
		f := &c.flows[i]
		f.mu.Lock()
		if t, does, has := f.line.nextAlarm(); has && (!ok || t < at) {
			at, what, ok = t, does, true
		}
		f.mu.Unlock()
	}
	return max(at, c.met), what, ok
}

// setAlarm sets the time at which a toxic does something by itself.
func (c *conn) setAlarm() {
	at, _, ok := c.nextAlarm()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.alarm != nil {
		c.alarm.Stop()
	}
	if ok && !c.isClosed() {
		c.alarm = time.AfterFunc(max(0, at-c.proxy.server.now()), c.alarmed)
	}
}

// alarmed does what is due.
func (c *conn) alarmed() {
	if at, what, ok := c.nextAlarm(); ok && at <= c.proxy.server.now() {
		c.happen(what)
		return
	}
	c.setAlarm()
}

// politeTime is how soon a client is reset after it was accepted. Sooner, its connect
// might fail instead.
const politeTime = 10 * time.Millisecond

// happen makes something happen to the connection.
func (c *conn) happen(what itemKind) {
	if what == resetItem {
		c.close(true)
		return
	}
	c.finish()
}

// end passes on the end of the stream in one direction; after both, the connection is
// closed.
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

// finish ends the streams to both ends, discards what still comes, and closes the
// connection when both have heard it, or after a while. What is unread when a socket
// is closed would make a reset of it, and the last bytes might be lost.
func (c *conn) finish() {
	if c.isFinished.Swap(true) {
		return
	}
	for i := range c.flows {
		f := &c.flows[i]
		f.mu.Lock()
		f.discards, f.line = true, pipeline{}
		f.interruptLocked()
		to := f.to
		tell(f.room)
		f.mu.Unlock()
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

// finishTime is how long an end may take to close a connection that has been ended.
const finishTime = 500 * time.Millisecond

// broken is called when a write fails, as the other end has reset the connection.
func (c *conn) broken(err error) {
	if !errors.Is(err, net.ErrClosed) {
		c.close(!c.isFinished.Load())
	}
}

// close closes both sockets, with a reset or without. It does not wait.
func (c *conn) close(reset bool) {
	c.closing.Do(func() {
		c.mu.Lock()
		c.isOver.Store(true)
		close(c.closed)
		server := c.wrapped
		for _, t := range []*time.Timer{c.alarm, c.patience} {
			if t != nil {
				t.Stop()
			}
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
			f.mu.Lock()
			f.place.leave()
			tell(f.wake)
			f.mu.Unlock()
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

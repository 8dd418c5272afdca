package slownet

import (
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A Listener is a net.Listener whose connections travel over slow links. The
// connections share one pair of links, unless [Config.PerConn] gives each its
// own. The Listener's faults apply to all of its connections.
type Listener struct {
	net.Listener
	path *Path

	faults sync.Mutex // held while a fault takes effect, so that faults take effect one after another
	mu     sync.Mutex // guards the fields below
	standingFaults
	deadline deadline // of Accept
	group    group
}

// standingFaults are the faults that apply to later connections.
type standingFaults struct {
	stalled bool
	refuses bool
	delay   time.Duration
	limits  [2]int64 // by direction; below zero is no limit
}

// NewListener wraps a listener. It wraps the connections that it accepts as
// [NewConn] does. It panics on an invalid configuration, see
// [netem.Link.Validate] and [netem.TCP.Validate], and if inner is nil.
func NewListener(inner net.Listener, config Config) *Listener {
	config.mustBeValid("NewListener")
	mustBeThere("NewListener", inner)
	return newListener(inner, newPath(config.withClock()))
}

func newListener(inner net.Listener, path *Path) *Listener {
	return &Listener{Listener: inner, path: path, standingFaults: standingFaults{limits: [2]int64{-1, -1}}}
}

// Accept waits for the next connection and returns it as a [*Conn].
func (l *Listener) Accept() (net.Conn, error) {
	for {
		if l.isPastDeadline() {
			return nil, l.opError("accept", os.ErrDeadlineExceeded)
		}
		inner, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c, refused := l.wrap(inner); !refused {
			for _, direction := range []Direction{Read, Write} {
				if c.half(direction).isSpent() {
					c.hangUp(c.half(direction)) // without the lock, as it blocks
				}
			}
			return c, nil
		}
		if inner, ok := inner.(interface{ SetLinger(int) error }); ok {
			_ = inner.SetLinger(0)
		}
		_ = inner.Close()
	}
}

// wrap wraps a connection, unless it must be refused.
func (l *Listener) wrap(inner net.Conn) (c *Conn, refused bool) {
	l.faults.Lock()
	defer l.faults.Unlock()
	l.mu.Lock()
	c = l.path.conn(inner, l)
	faults := l.standingFaults
	l.mu.Unlock()
	if faults.refuses {
		c.owners.forget(c)
		c.faulted("refused")
		return nil, true
	}
	c.traceConn(trace.Accept, Read, 0, nil)
	if faults.stalled {
		c.Stall()
	}
	if faults.delay > 0 {
		c.delay(faults.delay)
	}
	for direction, n := range faults.limits {
		if n >= 0 {
			c.half(Direction(direction)).limit(n)
		}
	}
	return c, false
}

// add notes a new connection.
func (l *Listener) add(c drainable) { l.group.add(c) }

// forget removes a connection that is drained.
func (l *Listener) forget(c drainable) { l.group.forget(c) }

// Conns returns the accepted connections that are not closed yet, in no
// particular order.
func (l *Listener) Conns() []*Conn {
	return slices.DeleteFunc(l.undrained(), func(c *Conn) bool { return c.closed.Load() })
}

// undrained returns the accepted connections, except closed ones with nothing in
// flight. Faults apply to the connections that it returns.
func (l *Listener) undrained() (conns []*Conn) {
	for _, c := range l.group.all() {
		conns = append(conns, c.(*Conn))
	}
	return conns
}

// each applies a fault to later connections, and then to each existing one.
func (l *Listener) each(toCome func(), do func(*Conn)) {
	l.faults.Lock()
	defer l.faults.Unlock()
	l.mu.Lock()
	toCome()
	l.mu.Unlock()
	for _, c := range l.undrained() {
		do(c)
	}
}

// SetLinks changes the links that all connections share, present and future ones.
// Connections with links of their own, see [Config.PerConn] and [Conn.SetLinks], get
// new ones of their own. What is already in flight keeps its arrival time. SetLinks
// panics on an invalid link.
func (l *Listener) SetLinks(read, write netem.Link) {
	linksMustBeValid("Listener", read, write)
	l.each(func() { l.path.SetLinks(read, write) }, func(c *Conn) {
		if !c.isOnPath() {
			c.SetLinks(read, write)
		}
	})
}

// Stall holds up all connections, present and future, until Resume; see
// [Conn.Stall].
func (l *Listener) Stall() {
	l.each(func() { l.stalled = true }, (*Conn).Stall)
}

// Resume ends a Stall of all connections.
func (l *Listener) Resume() {
	l.each(func() { l.stalled = false }, (*Conn).Resume)
}

// Reset resets all connections; see [Conn.Reset]. Later connections are not affected.
func (l *Listener) Reset() {
	l.each(func() {}, (*Conn).Reset)
}

// CloseAfter closes each connection, present and future, when n more bytes have
// passed on it in the given direction; see [Conn.CloseAfter]. With n below zero
// it cancels an earlier call.
func (l *Listener) CloseAfter(direction Direction, n int64) {
	direction.mustBeValid()
	var conns []*Conn
	l.each(func() { l.limits[direction] = n }, func(c *Conn) {
		c.half(direction).limit(n)
		conns = append(conns, c)
	})
	if n == 0 {
		for _, c := range conns { // without the lock, as it blocks
			c.hangUp(c.half(direction))
		}
	}
}

// Refuse makes the listener reset new connections instead of accepting them;
// with false it accepts them again. The operating system answers the client's
// dial, so the dial may succeed; then the first use of the connection fails
// with ECONNRESET. Connections are reset only while a goroutine is in Accept. To
// make dials fail with ECONNREFUSED, close the listener.
func (l *Listener) Refuse(refuse bool) {
	l.each(func() { l.refuses = refuse }, func(*Conn) {})
}

// Delay holds up each new connection for d: it is accepted at once, but nothing
// passes until d is over. Zero or less is no delay.
func (l *Listener) Delay(d time.Duration) {
	l.each(func() { l.delay = d }, func(*Conn) {})
}

package pool

import (
	"context"
	"net"
	"sync"
	"time"
)

// tryAfter is the idle time after which a connection is checked before it is used.
const tryAfter = 100 * time.Millisecond

// A Pool has connections to a server.
type Pool struct {
	dial  func(ctx context.Context) (net.Conn, error)
	taken chan struct{} // an element for each connection in use

	// KeepPlace is the bug: the place of a broken connection is not released.
	KeepPlace bool

	mu   sync.Mutex
	idle []*Conn // the most recently used is last
}

// New returns a pool of at most n connections.
func New(most int, dial func(ctx context.Context) (net.Conn, error)) *Pool {
	return &Pool{dial: dial, taken: make(chan struct{}, most)}
}

// Get returns a working connection when there is a place for it. The caller returns it
// with Put.
func (p *Pool) Get(ctx context.Context) (*Conn, error) {
	select {
	case p.taken <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if c := p.pop(); c != nil {
		if time.Since(c.used) < tryAfter || c.Ping(ctx) == nil {
			return c, nil
		}
		_ = c.Close()
		if !p.KeepPlace {
			<-p.taken
		}
		return p.Get(ctx)
	}
	conn, err := p.dial(ctx)
	if err != nil {
		<-p.taken
		return nil, err
	}
	return newConn(conn), nil
}

// Put returns a connection to the pool, or closes it if it has failed.
func (p *Pool) Put(c *Conn) {
	if c.err != nil {
		_ = c.Close()
	} else {
		p.mu.Lock()
		c.used = time.Now()
		p.idle = append(p.idle, c)
		p.mu.Unlock()
	}
	<-p.taken
}

// Close closes the connections that are idle.
func (p *Pool) Close() {
	for c := p.pop(); c != nil; c = p.pop() {
		_ = c.Close()
	}
}

// pop takes the most recently used idle connection, or returns nil.
func (p *Pool) pop() *Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	c := p.idle[n-1]
	p.idle = p.idle[:n-1]
	return c
}

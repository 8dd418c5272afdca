package slownet

import (
	"net"
	"sync"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A Path is a pair of links that all connections made with it share, including
// their rates, queues and random impairments. Two simultaneous downloads take
// twice as long as one. All connections made with a Path are at the same end of
// it.
//
// By default, each [Dialer] and each [Listener] has a path that all its
// connections share; with [Config.PerConn] each connection has its own links. Use
// NewPath to put several dialers and listeners, or connections made by other
// means, on one path.
type Path struct {
	clock  clock.Clock
	origin time.Time // the zero of its time line
	lines  [2]line   // by Direction

	mu     sync.Mutex // guards the fields below
	config Config
	count  uint64 // connections so far
	dials  int    // in progress
	group  group  // connections that are not drained
}

// NewPath returns a path. It panics if the configuration is invalid, see
// [netem.Link.Validate] and [netem.TCP.Validate], or has PerConn, with which
// nothing would be shared.
func NewPath(config Config) *Path {
	config.mustBeValid("NewPath")
	if config.PerConn {
		panic("slownet: NewPath: Config.PerConn is set: connections on a path share its links; for connections with links of their own, use a Dialer or a Listener without a Path")
	}
	return newPath(config.withClock())
}

func newPath(config Config) *Path {
	p := &Path{clock: config.Clock, origin: config.Clock.Now(), config: config}
	for direction, link := range config.links() {
		p.lines[direction].shared = true
		p.lines[direction].init(link, deriveSeed(config.Seed, uint64(direction)), p.origin)
	}
	return p
}

// Dialer returns a dialer whose connections are on the path. Its fields Dial and
// Lookup may be set. Its Config is the path's; changing it has no effect.
func (p *Path) Dialer() *Dialer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &Dialer{Config: p.config, given: p}
}

// Listener wraps a listener, as [NewListener] does, and puts its connections on
// the path. The listener's SetLinks and SetProfile change the links of the whole
// path.
func (p *Path) Listener(inner net.Listener) *Listener {
	mustBeThere("Path.Listener", inner)
	return newListener(inner, p)
}

// Conn wraps a connection that carries a stream, as [NewConn] does.
func (p *Path) Conn(inner net.Conn) *Conn {
	mustCarryStream("Path.Conn", inner)
	return p.conn(inner, nil)
}

// PacketConn wraps a connection that carries datagrams, as [NewPacketConn] does.
func (p *Path) PacketConn(inner net.PacketConn) *PacketConn {
	mustBeThere("Path.PacketConn", inner)
	return p.packetConn(inner, nil)
}

// conn wraps a stream connection for an owner.
func (p *Path) conn(inner net.Conn, by owner) *Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	c := newConn(inner, &p.config, deriveSeed(p.config.Seed, p.count), p.sharedOrNil())
	c.owners = owners{by, p}
	c.owners.keep(c)
	return c
}

// packetConn wraps a datagram connection for an owner.
func (p *Path) packetConn(inner net.PacketConn, by owner) *PacketConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	c := newPacketConn(inner, &p.config, deriveSeed(p.config.Seed, p.count), p.sharedOrNil())
	c.owners = owners{by, p}
	c.owners.keep(c)
	return c
}

// sharedOrNil returns the path, or nil if its connections do not share its links.
func (p *Path) sharedOrNil() *Path {
	if p.config.PerConn {
		return nil
	}
	return p
}

// beginDial records that a dial begins, and endDial that it has succeeded or failed.
func (p *Path) beginDial() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dials++
}

func (p *Path) endDial() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dials--
}

// beginDialIfUsed calls beginDial if the path has connections.
func (p *Path) beginDialIfUsed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dials == 0 && p.group.isEmpty() {
		return false
	}
	p.dials++
	return true
}

// SetLinks changes the links of the path, for all connections on it; see
// [Conn.SetLinks]. A connection whose own links were set has left the path and
// keeps its links. It panics on an invalid link.
func (p *Path) SetLinks(read, write netem.Link) {
	linksMustBeValid("Path", read, write)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.config.Read, p.config.Write = read, write
	links := p.config.links()
	for direction, link := range links {
		p.lines[direction].setLink(link, p.origin)
	}
	for _, c := range p.group.all() {
		c.pathChanged(links)
	}
}

// SetProfile changes the links of the path to a profile's, as SetLinks does.
// It assumes the client's end of the path. SetProfile panics on an invalid
// profile.
func (p *Path) SetProfile(profile netem.Profile) {
	mustBeValid("Path.SetProfile", profile)
	p.SetLinks(profile.Down, profile.Up)
}

// roundTrip returns the round-trip time of a packet without jitter.
func (p *Path) roundTrip() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.config.roundTrip()
}

// SetTrace sets the function that is called with the events of later connections, and the
// maximum number of payload bytes of an event; see [Config.Trace] and [Config.Payloads].
// Existing connections are not affected.
func (p *Path) SetTrace(emit func(trace.Event), payloads int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.config.Trace, p.config.Payloads = emit, payloads
}

// line returns the path's line for a direction, or nil if the path is nil.
func (p *Path) line(direction Direction) *line {
	if p == nil {
		return nil
	}
	return &p.lines[direction]
}

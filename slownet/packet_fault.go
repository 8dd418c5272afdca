package slownet

import (
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// SetLinks changes the links of this connection, for datagrams received or sent
// from now on. If it shared the links of a [Dialer] or a [Path], it leaves them,
// and has links of its own from now on; [Path.SetLinks] changes the shared ones.
// What is already in flight keeps its arrival time; later datagrams may overtake
// it. SetLinks panics on an invalid link; see [netem.Link.Validate].
//
// Like all faults, it may be called at any time, from any goroutine.
func (c *PacketConn) SetLinks(read, write netem.Link) {
	linksMustBeValid("PacketConn", read, write)
	c.in.setLink(intern(read))
	c.out.setLink(intern(write))
	c.faulted("links changed")
}

// pathChanged notes that the links of the path have changed. A connection with
// links of its own ignores it.
func (c *PacketConn) pathChanged(links [2]*netem.Link) {
	if c.isOnPath() {
		c.in.pathChanged(links[Read])
		c.out.pathChanged(links[Write])
		c.faulted("links changed")
	}
}

// isOnPath reports whether the connection shares its links.
func (c *PacketConn) isOnPath() bool {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	return c.in.isShared()
}

// Stall holds up everything, in both directions, until Resume. Datagrams sent
// meanwhile wait as long as the link's queue has room; further ones are dropped.
// Deadlines, Close and other faults still work.
func (c *PacketConn) Stall() {
	c.in.stall(true)
	c.out.stall(true)
	c.faulted("stall")
}

// Resume ends a Stall: datagrams in flight arrive, and datagrams that were held up enter
// the link.
func (c *PacketConn) Resume() {
	c.in.stall(false)
	c.out.stall(false)
	c.faulted("resume")
}

// faulted reports a fault.
func (c *PacketConn) faulted(cause string) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if c.trace != nil {
		c.trace.report(c.clock.Now(), Write, c.RemoteAddr(), trace.Event{Kind: trace.Fault, Note: cause})
	}
}

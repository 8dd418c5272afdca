package simtest

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// A way is the path from one host to another, hop by hop: the sender's access, the link
// between the two hosts, and the receiver's access. The hop of a host without an access
// is nil.
type way struct {
	up, down *accessHop
	route    *route
}

// The hops of a way, in order.
const (
	upHop = iota
	pairHop
	downHop
	hops
)

// hasAccess reports whether the path between two hosts crosses an access.
func hasAccess(a, b *Host) bool { return (a.access != nil || b.access != nil) && a != b }

// wayOf returns the way from one host to another, whose route is given.
func wayOf(from, to *Host, r *route) (p way) {
	p.route = r
	if from == to {
		return p
	}
	if from.access != nil {
		p.up = &from.access.up
	}
	if to.access != nil {
		p.down = &to.access.down
	}
	return p
}

// hop returns a hop, or nil.
func (p *way) hop(i int) *hop {
	switch {
	case i == pairHop:
		return &p.route.hop
	case i == upHop && p.up != nil:
		return &p.up.hop
	case i == downHop && p.down != nil:
		return &p.down.hop
	}
	return nil
}

// access returns the access that a hop is part of, or nil.
func (p *way) access(i int) *accessHop {
	switch i {
	case upHop:
		return p.up
	case downHop:
		return p.down
	}
	return nil
}

// arrives returns the time at which a packet is at the end of a hop: the given time, or
// a later one if packets sent before a change of the hop arrive later.
func (p *way) arrives(i int, at time.Duration) time.Duration {
	if a := p.access(i); a != nil {
		return a.arrives(at)
	}
	return at
}

// where returns the text that the trace adds to the reason of a drop at a hop. It is
// empty for the link between the two hosts.
func (p *way) where(i int) string {
	if a := p.access(i); a != nil {
		return a.where
	}
	return ""
}

// all reports whether a condition holds at each hop.
func (p *way) all(is func(h *hop) bool) bool {
	for i := range hops {
		if h := p.hop(i); h != nil && !is(h) {
			return false
		}
	}
	return true
}

// latency returns the sum of the hops' latencies.
func (p *way) latency() (sum time.Duration) {
	for i := range hops {
		if h := p.hop(i); h != nil {
			sum = timeline.Add(sum, h.link.Latency)
		}
	}
	return sum
}

// packetSize returns the size of the largest packet of a stream that all hops carry.
func (p *way) packetSize() int {
	size := p.route.link.PacketSize()
	for i := range hops {
		if h := p.hop(i); h != nil {
			size = min(size, h.link.PacketSize())
		}
	}
	return size
}

// isNothing reports whether all links of the way are zero.
func (p *way) isNothing() bool {
	return p.up == nil && p.down == nil && p.route.link == noLink
}

// versions returns a number that changes with the links.
func (p *way) versions() (n int) {
	for i := range hops {
		if h := p.hop(i); h != nil {
			n += h.version
		}
	}
	return n
}

// lookahead returns the least time from a packet's last event on the way, which is its
// sending or its entering a hop, until it arrives. Entering a hop that only adds
// latency is not an event.
func (p *way) lookahead() (sum time.Duration) {
	for i := hops - 1; i >= 0; i-- {
		if h := p.hop(i); h != nil {
			if sum = timeline.Add(sum, h.lookahead); !h.isClear {
				break
			}
		}
	}
	return sum
}

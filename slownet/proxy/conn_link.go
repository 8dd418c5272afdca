package proxy

import (
	"fmt"

	"github.com/slowpoetry/slowpoetry/slownet"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A placement is the choice of links for a connection.
type placement struct {
	key         int        // see linkKey
	isOwn       bool       // the links belong to the connection, and follow no path of the proxy
	read, write netem.Link // the links that it was given
}

// A pathKey identifies a path of a proxy. Paths with a congestion control that no link
// has any longer are for existing connections.
type pathKey struct {
	links      int // see linkKey
	congestion netem.Congestion
}

// linkKey returns a key with a bit for each link of the proxy that does not affect the
// connection.
func (p *Proxy) linkKey(number uint64) (key int) {
	for s, t := range p.links {
		if t != nil && !t.hits(number) {
			key |= 1 << s
		}
	}
	return key
}

// hasLinks reports whether connections with a key travel over a path.
func (p *Proxy) hasLinks(key int) bool {
	for s, t := range p.links {
		if t != nil && key&(1<<s) == 0 {
			return true
		}
	}
	return p.server.Trace != nil || p.recorder.isOn.Load()
}

// linksLocked returns the links of connections with a key, seen from the proxy
// towards the server.
func (p *Proxy) linksLocked(key int) (read, write netem.Link) {
	var links [2]netem.Link
	for s, t := range p.links {
		if t == nil || key&(1<<s) != 0 {
			continue
		}
		a := t.Attributes.(Link)
		links[s] = a.over(Stream(s))
		name, rate := a.Bottleneck, netem.Rate(0)
		if t.Scope == PerServer {
			name, rate = "scope server: "+t.Name+" "+Stream(s).String(), links[s].Rate
		}
		if name == "" {
			continue
		}
		if b := p.server.bottleneck(name, rate); b != nil {
			links[s].Rate, links[s].Replay, links[s].Bottleneck = 0, nil, b
		}
	}
	return links[Downstream], links[Upstream]
}

// placeLocked returns the path for a new connection, or nil if it needs none.
func (p *Proxy) placeLocked(number uint64) (*slownet.Path, placement) {
	key := p.linkKey(number)
	at := placement{key: key, isOwn: p.ownLinksLocked()}
	at.read, at.write = p.linksLocked(key)
	if !p.hasLinks(key) {
		return nil, at
	}
	if at.isOwn {
		return p.newPathLocked(at, number), at
	}
	k := pathKey{key, p.congestionLocked()}
	if p.paths[k] == nil {
		p.paths[k] = p.newPathLocked(at, 0)
	}
	return p.paths[k], at
}

// ownLinksLocked reports whether each connection has links of its own.
func (p *Proxy) ownLinksLocked() bool {
	for _, t := range p.links {
		if t != nil && t.Scope == PerConnection {
			return true
		}
	}
	return false
}

// congestionLocked returns the congestion control of TCP over the links.
func (p *Proxy) congestionLocked() (c netem.Congestion) {
	for _, t := range p.links {
		if t != nil {
			c = max(c, t.Attributes.(Link).Congestion)
		}
	}
	return c
}

func (p *Proxy) newPathLocked(at placement, number uint64) *slownet.Path {
	told, payloads := p.traceLocked()
	return slownet.NewPath(slownet.Config{
		Read: at.read, Write: at.write, TCP: netem.TCP{Congestion: p.congestionLocked()},
		Seed: p.server.seedOf(p.name, fmt.Sprint("path ", at.key, " ", number)), Trace: told, Payloads: payloads,
	})
}

// relink puts all connections on the current links. It runs in the background, because
// it may have to wait for the locks of connections.
func (p *Proxy) relink() {
	done := make(chan struct{})
	p.interruption.add(done)
	p.server.running.run(func() {
		defer close(done)
		p.linkAll()
	})
}

func (p *Proxy) linkAll() {
	p.linking.Lock()
	defer p.linking.Unlock()
	var sets []func()
	p.mu.Lock()
	for k, path := range p.paths {
		read, write := p.linksLocked(k.links)
		told, payloads := p.traceLocked()
		sets = append(sets, func() {
			path.SetTrace(told, payloads)
			path.SetLinks(read, write)
		})
	}
	for _, c := range p.all() {
		sets = append(sets, p.linkLocked(c))
	}
	for _, c := range p.allPeers() {
		sets = append(sets, p.linkPeerLocked(c))
	}
	p.mu.Unlock()
	for _, set := range sets {
		if set != nil {
			set()
		}
	}
}

// linkLocked returns a function that puts a connection on the current links, which may
// block. It returns nil if nothing changes.
func (p *Proxy) linkLocked(c *conn) (set func()) {
	wrapped := c.wrapped.Load()
	if wrapped == nil {
		path, at := p.placeLocked(c.number)
		if path == nil {
			return nil
		}
		return func() {
			c.wrap(path, at)
			c.flows[Upstream].tryFollow()
			c.flows[Downstream].tryFollow()
		}
	}
	to, before := p.moved(c.link, c.number), c.link
	c.link = to
	if !to.mustBeSet(before) {
		return nil
	}
	return func() { wrapped.SetLinks(to.read, to.write) }
}

// moved returns the placement of a connection after a change of the links.
func (p *Proxy) moved(before placement, number uint64) placement {
	to := placement{key: p.linkKey(number)}
	to.isOwn = before.isOwn || p.ownLinksLocked() || before.key != to.key
	to.read, to.write = p.linksLocked(to.key)
	return to
}

// mustBeSet reports whether a connection must be given its links because it does
// not follow a path's.
func (to placement) mustBeSet(before placement) bool {
	return to.isOwn && (to.read != before.read || to.write != before.write || !before.isOwn)
}

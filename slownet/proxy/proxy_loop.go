package proxy

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// A hop is the way through a proxy.
type hop struct {
	proxy            string
	listen, upstream endpoint
}

func (p *Proxy) hop() hop {
	p.mu.Lock()
	defer p.mu.Unlock()
	return hop{p.name, p.listen, p.upstream}
}

// hop parses the addresses of a configuration.
func (c Config) hop() (h hop, err error) {
	h.proxy = c.Name
	if h.listen, err = parseEndpoint(c.Listen, "tcp"); err != nil {
		return h, err
	}
	network := "tcp"
	if h.listen.network == "udp" {
		network = "udp"
	}
	h.upstream, err = parseEndpoint(c.Upstream, network)
	if err == nil && (h.listen.network == "udp") != (h.upstream.network == "udp") {
		err = errMixed(h.listen, h.upstream)
	}
	return h, err
}

// loopThrough returns the hops of a client that comes to the first one again, or nil if it
// does not.
func loopThrough(first hop, all []hop, named lookUp) []hop {
	seen := map[string]bool{}
	var from func(way []hop) []hop
	from = func(way []hop) []hop {
		at := way[len(way)-1]
		for _, next := range all {
			if !next.listen.isReachedBy(at.upstream, named) {
				continue
			}
			if next == first {
				return way
			}
			if seen[next.proxy] {
				continue
			}
			seen[next.proxy] = true
			if loop := from(append(slices.Clone(way), next)); loop != nil {
				return loop
			}
		}
		return nil
	}
	return from([]hop{first})
}

// mustEnd returns an error if a client of a proxy would come to the same proxy again,
// through others or not, which would never end.
func (first hop) mustEnd(others []hop, named lookUp) error {
	loop := loopThrough(first, append(slices.Clone(others), first), named)
	switch len(loop) {
	case 0:
		return nil
	case 1:
		return badRequest(errLoop(first.listen, first.upstream))
	}
	var names []string
	for _, h := range append(loop, first) {
		names = append(names, fmt.Sprintf("%q", h.proxy))
	}
	return badRequest(fmt.Errorf("the proxy would connect to itself through others, %s: give one of them the address of a server", strings.Join(names, " to ")))
}

// hopsExcept returns the ways through the server's proxies but those with the given names.
func (s *Server) hopsExcept(names ...string) (hops []hop) {
	for _, p := range s.Proxies() {
		if !slices.Contains(names, p.name) {
			hops = append(hops, p.hop())
		}
	}
	return hops
}

// resolving looks up names, each once. The lookups take at most lookUpTime in total. A name
// that cannot be looked up has no addresses: it may get some later.
func resolving() (named lookUp, stop context.CancelFunc) {
	ctx, stop := context.WithTimeout(context.Background(), lookUpTime)
	known := map[string][]netip.Addr{}
	return func(name string) []netip.Addr {
		addresses, ok := known[name]
		if !ok {
			addresses, _ = net.DefaultResolver.LookupNetIP(ctx, "ip", name)
			for i := range addresses {
				addresses[i] = addresses[i].Unmap()
			}
			known[name] = addresses
		}
		return addresses
	}, stop
}

const lookUpTime = 500 * time.Millisecond

package simtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// A Name says how a name resolves, if not simply to the host of that name.
type Name struct {
	// Host is the host to whose addresses the name resolves. Empty means the host of
	// that name.
	Host string

	// Hosts are the hosts, in order, if the name resolves to several.
	// [Host.DialContext] tries their addresses in turn. If Hosts is set, Host must be
	// empty.
	Hosts []string

	// Delay is the simulated time that a lookup takes. Zero is none; it must not be
	// negative. A lookup in progress fails when its host crashes.
	Delay time.Duration

	// Err is the error of lookups, wrapped in a *net.DNSError. If it is a *net.DNSError
	// itself, it is returned with the name filled in.
	Err error
}

// SetName changes how a name resolves in lookups that begin from now on: it may fail,
// be slow, or resolve to another host. The zero Name restores the default. The name
// need not be a host's. The host to which it resolves may be created later; if it does
// not exist when the simulation's function has ended, the test fails. SetName panics if
// name could not be a host's, if both Host and Hosts are set, and if Delay is negative.
func (s *Sim) SetName(name string, how Name) {
	if err := checkHostName(name); err != nil {
		panic(err.Error())
	}
	if how.Delay < 0 {
		panic(fmt.Sprintf("simtest: SetName: Delay is %v: it must be 0 or more", how.Delay))
	}
	how.Hosts = slices.Clone(how.Hosts)
	switch {
	case how.Host != "" && len(how.Hosts) > 0:
		panic(fmt.Sprintf("simtest: SetName: Host is %q and Hosts are %q: only one of them can say what %q stands for", how.Host, how.Hosts, name))
	case how.Host != "":
		s.expectHosts("SetName", how.Host)
	default:
		s.expectHosts("SetName", how.Hosts...)
	}
	s.control(fmt.Sprintf("name %q %q %q %v %v", name, how.Host, how.Hosts, how.Delay, how.Err), func() {
		s.names[plainName(name)] = how
		if how.Host == "" && len(how.Hosts) == 0 && how.Delay == 0 && how.Err == nil {
			delete(s.names, plainName(name))
		}
		s.faultLocked("name", "", name)
	})
}

// A Resolver looks up names as a host of the simulation does. It has net.Resolver's
// methods. Lookups do not cross the network, so partitions do not affect them; see
// [Sim.SetName] for faults that do.
type Resolver struct{ host *Host }

// Resolver returns the host's resolver.
func (h *Host) Resolver() *Resolver { return &Resolver{h} }

// LookupHost returns the addresses of a host, IPv4 first.
func (r *Resolver) LookupHost(ctx context.Context, host string) (addrs []string, err error) {
	if _, ok := parseAddr(host); ok {
		return []string{host}, nil
	}
	all, err := r.host.lookup(ctx, host, nil)
	for _, addr := range all {
		addrs = append(addrs, addr.String())
	}
	return addrs, err
}

// LookupIP returns the addresses of a host; the network is "ip", "ip4" or
// "ip6".
func (r *Resolver) LookupIP(ctx context.Context, network, host string) (ips []net.IP, err error) {
	all, err := r.LookupNetIP(ctx, network, host)
	for _, addr := range all {
		ips = append(ips, addr.AsSlice())
	}
	return ips, err
}

// LookupIPAddr returns the addresses of a host, IPv4 first.
func (r *Resolver) LookupIPAddr(ctx context.Context, host string) (ips []net.IPAddr, err error) {
	all, err := r.LookupNetIP(ctx, "ip", host)
	for _, addr := range all {
		ips = append(ips, net.IPAddr{IP: addr.AsSlice()})
	}
	return ips, err
}

// LookupNetIP returns the addresses of a host; the network is "ip", "ip4" or
// "ip6".
func (r *Resolver) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	switch network {
	case "ip", "ip4", "ip6":
	default:
		return nil, net.UnknownNetworkError(network)
	}
	asked := func(addr netip.Addr) bool { return network == "ip" || addr.Is4() == (network == "ip4") }
	trace := startLookup(ctx, host)
	all, err := r.host.lookup(ctx, host, nil)
	trace.end(all, asked, err)
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	for _, addr := range all {
		if asked(addr) {
			addrs = append(addrs, addr)
		}
	}
	if len(addrs) == 0 {
		return nil, &net.AddrError{Err: "no suitable address found", Addr: host}
	}
	return addrs, nil
}

// LookupCNAME returns the canonical name of a name, with a dot at the end.
func (r *Resolver) LookupCNAME(ctx context.Context, host string) (string, error) {
	names, err := r.host.standsFor(ctx, host)
	if err != nil {
		return "", err
	}
	canonical := host
	if len(names) > 0 {
		canonical = names[0]
	}
	switch {
	case len(names) > 1:
		return strings.TrimSuffix(host, ".") + ".", nil // the name has addresses itself
	case plainName(canonical) == "localhost":
		return "localhost.", nil
	}
	s := r.host.sim
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.named[plainName(canonical)]; found != nil {
		return found.name + ".", nil
	}
	return "", noSuchHost(host)
}

// LookupTXT finds nothing: there are only address records. Like the lookups below, it
// returns the errors set by [Sim.SetName].
func (r *Resolver) LookupTXT(ctx context.Context, name string) ([]string, error) {
	return nil, r.host.noRecord(ctx, name)
}

// LookupMX finds nothing.
func (r *Resolver) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	return nil, r.host.noRecord(ctx, name)
}

// LookupNS finds nothing.
func (r *Resolver) LookupNS(ctx context.Context, name string) ([]*net.NS, error) {
	return nil, r.host.noRecord(ctx, name)
}

// LookupSRV finds nothing, under _service._proto.name or, if both are empty,
// under the name.
func (r *Resolver) LookupSRV(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error) {
	if service != "" || proto != "" {
		name = "_" + service + "._" + proto + "." + name
	}
	return "", nil, r.host.noRecord(ctx, name)
}

// noRecord looks up a record that does not exist.
func (h *Host) noRecord(ctx context.Context, name string) error {
	if _, err := h.standsFor(ctx, name); err != nil {
		return err
	}
	return noSuchHost(name)
}

// LookupAddr returns the name of the host with an address.
func (r *Resolver) LookupAddr(_ context.Context, addr string) (names []string, err error) {
	s := r.host.sim
	s.mu.Lock()
	defer s.mu.Unlock()
	ip, err := netip.ParseAddr(addr)
	switch host := r.host.hostOfLocked(ip.Unmap()); {
	case err != nil:
		return nil, &net.DNSError{Err: "unrecognized address", Name: addr}
	case ip.Unmap().IsLoopback():
		return []string{"localhost"}, nil
	case host != nil:
		return []string{host.name}, nil
	}
	return nil, noSuchHost(addr)
}

// LookupPort returns the port of a service, such as "http".
func (r *Resolver) LookupPort(ctx context.Context, network, service string) (port int, err error) {
	return services.LookupPort(ctx, network, service)
}

// services looks up ports by name. It does not use the system's resolver, which keeps
// channels that must not be created in a bubble.
var services = net.Resolver{PreferGo: true}

// lookup returns the addresses of a name, as looked up on this host, IPv4 first. It
// stores the addresses in room, which is empty, if they fit.
func (h *Host) lookup(ctx context.Context, name string, room []netip.Addr) (addrs []netip.Addr, err error) {
	names, err := h.standsFor(ctx, name)
	switch {
	case err != nil:
		return nil, err
	case len(names) == 0:
		addrs, _ = h.appendAddrs(room, name)
	default:
		addrs = room
	}
	for _, n := range names {
		addrs, _ = h.appendAddrs(addrs, n) // the others count even if one does not exist
	}
	if len(addrs) == 0 {
		return nil, noSuchHost(name)
	}
	slices.SortStableFunc(addrs, func(a, b netip.Addr) int { return cmp.Compare(familyOf(a), familyOf(b)) })
	return addrs, nil
}

// standsFor returns the hosts to which a name resolves on this host. They need not
// exist. It returns none if the name stands for itself, as by default.
func (h *Host) standsFor(ctx context.Context, name string) ([]string, error) {
	if _, ok := parseAddr(name); ok || plainName(name) == "localhost" {
		return nil, nil
	}
	s := h.sim
	s.mu.Lock()
	how := s.names[plainName(name)]
	if err := s.chaos.nameErrorLocked(name); err != nil {
		how.Err = err
	}
	failure := h.lookupErrorLocked(name)
	var pending *pendingLookup
	if failure == nil && how.Delay > 0 {
		pending = h.beginLookupLocked(name, how.Delay)
	}
	s.mu.Unlock()
	if pending != nil {
		failure = pending.wait(ctx)
	}
	ended := contextError(ctx)
	switch {
	case ended != nil:
		err := dialError(ended)
		return nil, &net.DNSError{Err: err.Error(), Name: name, UnwrapErr: err, IsTimeout: errors.Is(err, context.DeadlineExceeded)}
	case failure != nil:
		return nil, failure
	case how.Err != nil:
		return nil, dnsError(name, how.Err)
	case how.Host != "":
		return []string{how.Host}, nil
	case len(how.Hosts) > 0:
		return how.Hosts, nil
	}
	return nil, nil
}

func noSuchHost(name string) error {
	return &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func dnsError(name string, err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		named := *dns
		named.Name = name
		return &named
	}
	return &net.DNSError{Err: err.Error(), Name: name, UnwrapErr: err}
}

func loopback(v6 bool) netip.Addr {
	if v6 {
		return netip.IPv6Loopback()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

package simtest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
)

// An overlaid package net calls the functions of this file with numbers of
// hosts.

// overlayHosts are the running simulations, by number.
var overlayHosts sync.Map

// enterNet makes the simulation known to the net package.
func (s *Sim) enterNet() {
	startOverlayNet()
	s.overlaySim = overlaySims.Add(1)
	overlayHosts.Store(s.overlaySim, s)
}

// leaveNet is called when the simulation has ended.
func (s *Sim) leaveNet() {
	if s.overlaySim != 0 {
		overlayHosts.Delete(s.overlaySim)
	}
}

// overlayHost returns a host by its number, or nil if its simulation has ended.
func overlayHost(id uint64) *Host {
	found, ok := overlayHosts.Load(id >> 32)
	if !ok {
		return nil
	}
	s := found.(*Sim)
	s.mu.Lock()
	defer s.mu.Unlock()
	if number := int(id & (1<<32 - 1)); number >= 1 && number <= len(s.ordered) {
		return s.ordered[number-1]
	}
	return nil
}

// errNoSimulation is the error for a goroutine that outlives its simulation.
var errNoSimulation = &net.OpError{Op: "socket", Err: os.NewSyscallError("socket", syscall.ENETDOWN)}

// startOverlayNet registers the functions with package net, once.
var startOverlayNet = sync.OnceFunc(func() {
	n := any(new(net.ParseError)).(interface {
		SimtestNetwork(
			dial func(ctx context.Context, host uint64, network, local, remote string) (net.Conn, error),
			listen func(host uint64, network, address string) (net.Listener, error),
			listenPacket func(host uint64, network, address string) (net.PacketConn, error),
			lookup func(ctx context.Context, host uint64, name string) ([]net.IPAddr, error),
			addrs func(host uint64) []net.Addr,
		)
	})
	n.SimtestNetwork(overlayDial, overlayListen, overlayListenPacket, overlayLookup, overlayAddrs)
})

func overlayDial(ctx context.Context, id uint64, network, local, remote string) (net.Conn, error) {
	h := overlayHost(id)
	if h == nil {
		return nil, errNoSimulation
	}
	if from, err := netip.ParseAddrPort(local); err == nil && from.Port() != 0 {
		return nil, errors.New("a simulated host cannot choose its local port: leave the port out of the local address")
	}
	return h.DialContext(ctx, network, remote)
}

func overlayListen(id uint64, network, address string) (net.Listener, error) {
	if h := overlayHost(id); h != nil {
		return h.Listen(network, address)
	}
	return nil, errNoSimulation
}

func overlayListenPacket(id uint64, network, address string) (net.PacketConn, error) {
	if h := overlayHost(id); h != nil {
		return h.ListenPacket(network, address)
	}
	return nil, errNoSimulation
}

func overlayLookup(ctx context.Context, id uint64, name string) ([]net.IPAddr, error) {
	h := overlayHost(id)
	switch {
	case h == nil:
		return nil, errNoSimulation
	case plainName(name) == "localhost":
		return []net.IPAddr{{IP: net.IPv4(127, 0, 0, 1)}}, nil
	}
	return h.Resolver().LookupIPAddr(ctx, name)
}

func overlayAddrs(id uint64) []net.Addr {
	h := overlayHost(id)
	if h == nil {
		return nil
	}
	return []net.Addr{
		&net.IPNet{IP: h.v4.AsSlice(), Mask: net.CIDRMask(8, 32)},
		&net.IPNet{IP: h.v6.AsSlice(), Mask: net.CIDRMask(8, 128)},
	}
}

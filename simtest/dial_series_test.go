package simtest_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// A several is a world in which a name resolves to several addresses. The families are
// called "first" and "second" in the order of dialling: a real resolver has IPv6 first,
// which has only one loopback address.
type several struct {
	*world
	sim   *simtest.Sim        // nil on loopback
	addrs map[string][]string // by family
	port  string
}

// own returns a name for an address in one of the families, such as "second 1".
func (s *several) own(addr net.Addr, families ...string) string {
	host, _, _ := net.SplitHostPort(addr.String())
	for _, family := range families {
		for i, own := range s.addrs[family] {
			if own == host {
				return fmt.Sprint(family, " ", i)
			}
		}
	}
	return addr.String()
}

// listen listens on one of the addresses.
func (s *several) listen(family string, i int) net.Listener {
	s.Helper()
	network := "tcp4"
	if netip.MustParseAddr(s.addrs[family][i]).Is6() {
		network = "tcp6"
	}
	node := s.server
	if s.simulated && i == 1 {
		node = s.others[0]
	}
	return s.listenOn(node, network, net.JoinHostPort(s.addrs[family][i], s.port))
}

// mute leaves requests to one of the addresses unanswered until unmute is called; on
// loopback, where the network loses nothing, by filling the listener's queue.
func (s *several) mute(family string, i int) (unmute func()) {
	s.Helper()
	listener := s.listen(family, i)
	if s.sim == nil {
		s.fill(listener)
		return func() {
			for {
				if _, err := listener.Accept(); err != nil {
					return
				}
			}
		}
	}
	only := simtest.Only{Family: 6}
	if netip.MustParseAddr(s.addrs[family][i]).Is4() {
		only.Family = 4
	}
	address := net.JoinHostPort([]string{"one", "two"}[i], s.port)
	s.sim.Blackhole(address, only)
	return func() { s.sim.Allow(address, only) }
}

// dialSeveral adds the result of dialling the name, and whether it took as long as
// expected, or at least as long in real time.
func (r *report) dialSeveral(ctx context.Context, s *several, network string, least time.Duration) {
	families := []string{"first", "second"}
	if network == "tcp4" {
		families = []string{"v4"}
	}
	start := time.Now()
	conn, err := s.client.DialContext(ctx, network, net.JoinHostPort(s.name, s.port))
	const before = 100 * ms // the context's time began a little earlier
	if took := time.Since(start); took < least-before || s.simulated && took != least {
		r.add("took %v instead of %v", took, least)
	}
	if err != nil {
		r.add("%s, dialling %s", fate(err), s.own(err.(*net.OpError).Addr, families...))
		return
	}
	r.add("connected to %s", s.own(conn.RemoteAddr(), families...))
	s.Cleanup(func() { _ = conn.Close() })
}

var severalScenarios = []struct {
	name string
	run  func(s *several, r *report)
	want string
}{
	{"the first refuses", func(s *several, r *report) {
		s.listen("v4", 1)
		r.dialSeveral(s.Context(), s, "tcp4", 0)
	}, "connected to v4 1"},
	{"all refuse", func(s *several, r *report) {
		r.dialSeveral(s.Context(), s, "tcp", 0)
	}, "refused, dialling first 0"},
	{"the first does not answer", func(s *several, r *report) {
		s.mute("v4", 0)
		s.listen("v4", 1)
		ctx, cancel := context.WithTimeout(s.Context(), 3*time.Second)
		defer cancel()
		r.dialSeveral(ctx, s, "tcp4", 2*time.Second)
	}, "connected to v4 1"},
	{"the first refuses, and the second does not answer", func(s *several, r *report) {
		s.mute("v4", 1)
		ctx, cancel := context.WithTimeout(s.Context(), time.Second)
		defer cancel()
		r.dialSeveral(ctx, s, "tcp4", time.Second)
	}, "refused, dialling v4 0"},
	{"the first family refuses", func(s *several, r *report) {
		s.listen("second", 1)
		r.dialSeveral(s.Context(), s, "tcp", 0)
	}, "connected to second 1"},
	{"the first family does not answer", func(s *several, r *report) {
		s.mute("first", 0)
		s.listen("second", 1)
		r.dialSeveral(s.Context(), s, "tcp", 300*ms)
	}, "connected to second 1"},
	{"the first family does not answer, and the second refuses", func(s *several, r *report) {
		s.mute("first", 0)
		ctx, cancel := context.WithTimeout(s.Context(), time.Second)
		defer cancel()
		r.dialSeveral(ctx, s, "tcp", time.Second)
	}, "lost, dialling first 0"},
	{"the first family answers late, and the second does not", func(s *several, r *report) {
		s.mute("second", 0)
		time.AfterFunc(500*ms, s.mute("first", 0))
		r.dialSeveral(s.Context(), s, "tcp", time.Second)
	}, "connected to first 0"},
}

// A name that stands for several hosts is dialled as by a net.Dialer.
func TestSeveralAddressesAreDialledAsByANetDialer(t *testing.T) {
	t.Parallel()
	for _, scenario := range severalScenarios {
		run := func(w *world, sim *simtest.Sim, addrs map[string][]string, port string) {
			s := &several{w, sim, addrs, port}
			runScenario(w, func(w *world) {
				got := &report{world: w}
				scenario.run(s, got)
				w.wait.Wait()
				assert.Equal(w, []string{scenario.want}, got.lines)
			})
		}
		t.Run(scenario.name, func(t *testing.T) {
			t.Parallel()
			t.Run("loopback", func(t *testing.T) {
				if runtime.GOOS != "linux" {
					t.Skip("sockets of other systems differ in detail, and may have no addresses 127.x.y.z")
				}
				t.Parallel()
				here := &node{v4: ownLoopback(), v6: "::1", other: ownLoopback()}
				w := &world{T: t, client: here, server: here, name: loopbackName}
				w.needIPv6()
				names := newLoopbackResolver(loopbackName, netip.MustParseAddr(here.v4), netip.MustParseAddr(here.other), netip.MustParseAddr(here.v6))
				here.network = sockets{&net.Dialer{Resolver: names}}
				v4 := []string{here.v4, here.other}
				run(w, nil, map[string][]string{"first": {here.v6}, "second": v4, "v4": v4}, freePort(w))
			})
			for seed := range uint64(2) {
				t.Run(fmt.Sprint("simulated with seed ", seed), func(t *testing.T) {
					simtest.Config{Seed: seed, KeepPools: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
						sim.SetName("several", simtest.Name{Hosts: []string{"one", "two"}})
						one, two := sim.Host("one"), sim.Host("two")
						w := &world{T: t, simulated: true, name: "several",
							client: &node{network: hosts{sim.Host("client")}},
							server: &node{network: hosts{one}},
							others: []*node{{network: hosts{two}}},
						}
						v4 := []string{one.Addr().String(), two.Addr().String()}
						run(w, sim, map[string][]string{"first": v4, "second": {one.Addr6().String(), two.Addr6().String()}, "v4": v4}, "80")
					})
				})
			}
		})
	}
}

// freePort returns a port that is free on all of the server's addresses.
func freePort(w *world) string {
	w.Helper()
	for {
		l := w.listenOn(w.server, "tcp", net.JoinHostPort(w.server.v6, "0"))
		port := strconv.Itoa(portOf(l.Addr()))
		_ = l.Close()
		free := true
		for _, addr := range []string{w.server.v4, w.server.other} {
			probe, err := w.server.Listen("tcp", net.JoinHostPort(addr, port))
			if err == nil {
				_ = probe.Close()
			}
			free = free && err == nil
		}
		if free {
			return port
		}
	}
}

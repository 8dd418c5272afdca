package simtest_test

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// accepting makes a host accept connections on port 1 of a family, and counts them.
func accepting(t *testing.T, h *simtest.Host, network string) (accepted *atomic.Int32) {
	t.Helper()
	l, err := h.Listen(network, ":1")
	require.NoError(t, err)
	accepted = new(atomic.Int32)
	h.Go(func(context.Context) {
		for {
			if _, err := l.Accept(); err != nil {
				return
			}
			accepted.Add(1)
		}
	})
	return accepted
}

// Each address has its share of the time that is left, and its round trips.
func TestDialOfSeveralHostsTakesItsTime(t *testing.T) {
	const none = time.Duration(0)
	for name, test := range map[string]struct {
		network string
		timeout time.Duration
		prepare func(t *testing.T, sim *simtest.Sim)
		remote  string
		err     error
		took    time.Duration
	}{
		"the first answers": {"tcp", none, func(t *testing.T, sim *simtest.Sim) { accepting(t, sim.Host("one"), "tcp") },
			"10.0.0.2:1", nil, 200 * ms},
		"the third answers": {"tcp", none, func(t *testing.T, sim *simtest.Sim) { accepting(t, sim.Host("three"), "tcp4") },
			"10.0.0.4:1", nil, 600 * ms}, // while the first of IPv6 has been tried from 300 ms on
		"the first of IPv6 answers": {"tcp", none, func(t *testing.T, sim *simtest.Sim) { accepting(t, sim.Host("one"), "tcp6") },
			"[fd00::2]:1", nil, 500 * ms},
		"all refuse": {"tcp", none, func(*testing.T, *simtest.Sim) {},
			"10.0.0.2:1", syscall.ECONNREFUSED, 900 * ms}, // IPv6 from 300 ms on
		"all refuse by IPv6": {"tcp6", none, func(*testing.T, *simtest.Sim) {},
			"[fd00::2]:1", syscall.ECONNREFUSED, 600 * ms},
		"a third of the time each": {"tcp4", 30 * time.Second, func(t *testing.T, sim *simtest.Sim) {
			sim.Host("one").Crash()
			sim.Host("two").Crash()
			accepting(t, sim.Host("three"), "tcp")
		}, "10.0.0.4:1", nil, 20*time.Second + 200*ms},
		"two seconds at least": {"tcp4", 5 * time.Second, func(t *testing.T, sim *simtest.Sim) {
			sim.Host("one").Crash()
			sim.Host("two").Crash()
			accepting(t, sim.Host("three"), "tcp")
		}, "10.0.0.4:1", nil, 4*time.Second + 200*ms},
		"half of what is left": {"tcp4", 21 * time.Second, func(t *testing.T, sim *simtest.Sim) {
			sim.Host("two").Crash() // one refuses
			accepting(t, sim.Host("three"), "tcp")
		}, "10.0.0.4:1", nil, 200*ms + (21*time.Second-200*ms)/2 + 200*ms},
		"the last has all that is left": {"tcp4", 9 * time.Second, func(_ *testing.T, sim *simtest.Sim) {
			for _, host := range []string{"one", "two", "three"} {
				sim.Host(host).Crash()
			}
		}, "10.0.0.2:1", context.DeadlineExceeded, 9 * time.Second},
		"without a deadline the first is tried for as long as Linux does": {"tcp4", none, func(t *testing.T, sim *simtest.Sim) {
			sim.Host("one").Crash()
			accepting(t, sim.Host("two"), "tcp")
		}, "10.0.0.3:1", nil, 131*time.Second + 200*ms},
		"IPv6 has a share of its own": {"tcp", 30*time.Second + 300*ms, func(t *testing.T, sim *simtest.Sim) {
			sim.Host("one").Crash()
			accepting(t, sim.Host("two"), "tcp6")
		}, "[fd00::3]:1", nil, 300*ms + 10*time.Second + 200*ms},
		"no host has an address": {"tcp", none, func(_ *testing.T, sim *simtest.Sim) {
			sim.SetName("several", simtest.Name{Host: "one"})
		}, "10.0.0.2:1", syscall.ECONNREFUSED, 200 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			simtest.Config{KeepPools: true, Link: netem.Link{Latency: 100 * ms}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
				client := sim.Host("client")
				hosts := []string{"one", "two", "three"}
				for _, host := range hosts {
					sim.Host(host)
				}
				sim.SetName("several", simtest.Name{Hosts: hosts})
				hosts[0] = "changed" // too late to matter
				test.prepare(t, sim)
				ctx := t.Context()
				if test.timeout > 0 {
					var cancel func()
					ctx, cancel = context.WithTimeout(ctx, test.timeout)
					defer cancel()
				}
				conn, err := client.DialContext(ctx, test.network, "several:1")
				assert.ErrorIs(t, err, test.err)
				if err != nil {
					assert.Equal(t, test.remote, err.(*net.OpError).Addr.String())
				} else {
					assert.Equal(t, test.remote, conn.RemoteAddr().String())
				}
				assert.Equal(t, test.took, sim.Elapsed())
				time.Sleep(time.Hour)
				conn, err = client.Dial("udp", "several:1")
				require.NoError(t, err)
				assert.Equal(t, "10.0.0.2:1", conn.RemoteAddr().String(), "the first one")
			})
		})
	}
}

// When the first of two pending connections is established, the second is given up, and
// no listener sees it. Its port can be used again.
func TestDialOfSeveralHostsMakesOneConnection(t *testing.T) {
	simtest.Config{Link: netem.Link{Latency: 200 * ms}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		one := accepting(t, sim.Host("one"), "tcp")
		two := accepting(t, sim.Host("two"), "tcp")
		sim.SetName("several", simtest.Name{Hosts: []string{"one", "two"}})
		for range 10 {
			conn, err := sim.Host("client").Dial("tcp", "several:1")
			require.NoError(t, err)
			assert.Equal(t, "10.0.0.1:1", conn.RemoteAddr().String())
			require.NoError(t, conn.Close())
		}
		time.Sleep(time.Hour)
		assert.EqualValues(t, 10, one.Load())
		assert.Zero(t, simtest.PortsInUse(sim.Host("client")))
		assert.Zero(t, two.Load())
	})
}

// A host with one family that does not work is reached by the other: at once if the
// first refuses, and after 300 ms if it does not answer.
func TestDialFallsBackToTheOtherFamily(t *testing.T) {
	type only = simtest.Only
	for name, test := range map[string]struct {
		fault  func(sim *simtest.Sim)
		remote string
		err    error
		took   time.Duration
	}{
		"nothing":      {func(*simtest.Sim) {}, "10.0.0.1:1", nil, 200 * ms},
		"IPv4 refused": {func(sim *simtest.Sim) { sim.Refuse("b", only{Family: 4}) }, "[fd00::1]:1", nil, 400 * ms},
		"IPv4 lost":    {func(sim *simtest.Sim) { sim.Blackhole("b:1", only{Family: 4}) }, "[fd00::1]:1", nil, 500 * ms},
		"from a":       {func(sim *simtest.Sim) { sim.Blackhole("b", only{From: "a", Family: 4, NewOnly: true}) }, "[fd00::1]:1", nil, 500 * ms},
		"from another": {func(sim *simtest.Sim) { sim.Blackhole("b", only{From: "b", Family: 4}) }, "10.0.0.1:1", nil, 200 * ms},
		"IPv6 lost":    {func(sim *simtest.Sim) { sim.Blackhole("b", only{Family: 6}) }, "10.0.0.1:1", nil, 200 * ms},
		"answers lost": {func(sim *simtest.Sim) { sim.Blackhole("a", only{Family: 4}) }, "[fd00::1]:1", nil, 500 * ms},
		"all lost":     {func(sim *simtest.Sim) { sim.Blackhole("b") }, "10.0.0.1:1", syscall.ETIMEDOUT, 131 * time.Second},
		"one by one":   {func(sim *simtest.Sim) { sim.Blackhole("b", only{Family: 4}, only{Family: 6}) }, "10.0.0.1:1", syscall.ETIMEDOUT, 131 * time.Second},
		"IPv6 too later": {func(sim *simtest.Sim) {
			sim.Blackhole("b")
			sim.At(2*time.Second, func() { sim.Allow("b", only{Family: 6}) })
		}, "[fd00::1]:1", nil, 3*time.Second + 200*ms},
		"both refused": {func(sim *simtest.Sim) { sim.Refuse("b") }, "10.0.0.1:1", syscall.ECONNREFUSED, 200 * ms},
		"each its own": {func(sim *simtest.Sim) { sim.Blackhole("b", only{Family: 4}); sim.Refuse("b", only{Family: 6}) }, "10.0.0.1:1", syscall.ETIMEDOUT, 131 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			simtest.Config{KeepPools: true, Link: netem.Link{Latency: 100 * ms}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
				accepted := accepting(t, sim.Host("b"), "tcp")
				sim.Host("a")
				test.fault(sim)
				conn, err := sim.Host("a").Dial("tcp", "b:1")
				assert.ErrorIs(t, err, test.err)
				assert.Equal(t, test.took, sim.Elapsed())
				if err != nil {
					assert.Equal(t, test.remote, err.(*net.OpError).Addr.String())
					return
				}
				assert.Equal(t, test.remote, conn.RemoteAddr().String())
				time.Sleep(time.Hour)
				assert.EqualValues(t, 1, accepted.Load())
			})
		})
	}
}

// The resolver returns a name's addresses, IPv4 first and in the order of the hosts.
func TestNameOfSeveralHosts(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetName("www", simtest.Name{Hosts: []string{"two", "one"}, Delay: time.Second})
		r := sim.Host("one").Resolver()
		sim.Host("two")
		addrs, err := r.LookupHost(t.Context(), "WWW.")
		require.NoError(t, err)
		assert.Equal(t, []string{"10.0.0.2", "10.0.0.1", "fd00::2", "fd00::1"}, addrs)
		ips, err := r.LookupNetIP(t.Context(), "ip6", "www")
		require.NoError(t, err)
		assert.Equal(t, "[fd00::2 fd00::1]", fmt.Sprint(ips))
		cname, err := r.LookupCNAME(t.Context(), "www")
		require.NoError(t, err)
		assert.Equal(t, "www.", cname)
		assert.Equal(t, 3*time.Second, sim.Elapsed())

		assert.PanicsWithValue(t, `simtest: SetName: Host is "one" and Hosts are ["two"]: only one of them can say what "www" stands for`, func() {
			sim.SetName("www", simtest.Name{Host: "one", Hosts: []string{"two"}})
		})
		sim.SetName("www", simtest.Name{Hosts: []string{}})
		_, err = r.LookupHost(t.Context(), "www")
		assert.ErrorContains(t, err, "no such host", "the zero Name")
	})
}

// Dials of many hosts at one instant, with addresses that fail, have a fixed order.
func TestOrderOfDialsOfSeveralHosts(t *testing.T) {
	for seed := range uint64(4) {
		simtest.CheckDeterminism(t, simtest.Config{Seed: seed, KeepPools: true, Link: netem.Link{Latency: 75 * ms}}, func(t *testing.T, sim *simtest.Sim) {
			names := []string{"s1", "s2", "s3"}
			for _, name := range names {
				accepting(t, sim.Host(name), "tcp")
			}
			sim.SetName("several", simtest.Name{Hosts: names})
			sim.Blackhole("s1", simtest.Only{Family: 4})
			sim.Refuse("s1", simtest.Only{Family: 6})
			sim.Host("s2").Kill()
			for _, name := range []string{"a", "b", "c", "d"} {
				host := sim.Host(name)
				for range 3 {
					host.Go(func(ctx context.Context) {
						ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
						defer cancel()
						_, err := host.DialContext(ctx, "tcp", "several:1")
						assert.NoError(t, err)
					})
				}
			}
			time.Sleep(20 * time.Second)
		})
	}
}

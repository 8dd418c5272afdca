package simtest_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// fates describes what happens to packets that a host sends to host "b": connection
// requests by each family, data on an existing connection, and datagrams by each
// family.
func fates(t *testing.T, sim *simtest.Sim, from string, old map[string]net.Conn) string {
	t.Helper()
	var words []string
	host := sim.Host(from)
	for _, family := range []string{"4", "6"} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		conn, err := host.DialContext(ctx, "tcp"+family, "b:1")
		cancel()
		if err == nil {
			_ = conn.Close()
		}
		words = append(words, "tcp"+family+" "+fate(err))
	}
	for _, family := range []string{"4", "6"} {
		conn := old[from+family]
		require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
		_, err := conn.Write([]byte("x"))
		require.NoError(t, err)
		_, err = conn.Read(make([]byte, 1))
		words = append(words, "old"+family+" "+fate(err))
	}
	for _, family := range []string{"4", "6"} {
		conn, err := host.Dial("udp"+family, "b:1")
		require.NoError(t, err)
		require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
		_, err = conn.Write([]byte("x"))
		require.NoError(t, err)
		_, err = conn.Read(make([]byte, 1))
		words = append(words, "udp"+family+" "+fate(err))
		_ = conn.Close()
	}
	return strings.Join(words, ", ")
}

func fate(err error) string {
	switch {
	case err == nil:
		return "ok"
	case strings.Contains(err.Error(), syscall.ECONNREFUSED.Error()):
		return "refused"
	case strings.Contains(err.Error(), "i/o timeout"):
		return "lost"
	}
	return err.Error()
}

// Faults of an address can be limited by sender, by family, and to new
// connections. A later fault for the same address overrides earlier ones.
func TestRulesWithLimits(t *testing.T) {
	const (
		passes = "tcp4 ok, tcp6 ok, old4 ok, old6 ok, udp4 ok, udp6 ok"
		lost   = "tcp4 lost, tcp6 lost, old4 lost, old6 lost, udp4 lost, udp6 lost"
		refuse = "tcp4 refused, tcp6 refused, old4 ok, old6 ok, udp4 refused, udp6 refused"
	)
	type only = simtest.Only
	for name, test := range map[string]struct {
		faults func(sim *simtest.Sim)
		a, c   string // the fates of the packets they send
	}{
		"nothing":               {func(*simtest.Sim) {}, passes, passes},
		"blackhole":             {func(sim *simtest.Sim) { sim.Blackhole("b") }, lost, lost},
		"blackhole of the port": {func(sim *simtest.Sim) { sim.Blackhole("b:1") }, lost, lost},
		"blackhole of another":  {func(sim *simtest.Sim) { sim.Blackhole("b:2") }, passes, passes},
		"refuse":                {func(sim *simtest.Sim) { sim.Refuse("b") }, refuse, refuse},
		"refuse, empty limit":   {func(sim *simtest.Sim) { sim.Refuse("b", only{}) }, refuse, refuse},

		"blackhole from a":                         {func(sim *simtest.Sim) { sim.Blackhole("b:1", only{From: "a"}) }, lost, passes},
		"refuse from a":                            {func(sim *simtest.Sim) { sim.Refuse("b", only{From: "a"}) }, refuse, passes},
		"blackhole from a and c":                   {func(sim *simtest.Sim) { sim.Blackhole("b", only{From: "a"}, only{From: "c"}) }, lost, lost},
		"blackhole from a, allow":                  {func(sim *simtest.Sim) { sim.Blackhole("b", only{From: "a"}); sim.Allow("b") }, passes, passes},
		"blackhole, allow from a":                  {func(sim *simtest.Sim) { sim.Blackhole("b"); sim.Allow("b", only{From: "a"}) }, passes, lost},
		"allow from a, blackhole":                  {func(sim *simtest.Sim) { sim.Allow("b", only{From: "a"}); sim.Blackhole("b") }, lost, lost},
		"blackhole, refuse from a":                 {func(sim *simtest.Sim) { sim.Blackhole("b"); sim.Refuse("b", only{From: "a"}) }, refuse, lost},
		"blackhole of the port, allow of the host": {func(sim *simtest.Sim) { sim.Blackhole("b:1"); sim.Allow("b") }, lost, lost},
		"of port and host, stricter port":          {func(sim *simtest.Sim) { sim.Blackhole("b:1"); sim.Refuse("b") }, lost, lost},
		"of port and host, stricter host":          {func(sim *simtest.Sim) { sim.Refuse("b:1", only{From: "a"}); sim.Blackhole("b") }, lost, lost},

		"blackhole by IPv4": {func(sim *simtest.Sim) { sim.Blackhole("b", only{Family: 4}) },
			"tcp4 lost, tcp6 ok, old4 lost, old6 ok, udp4 lost, udp6 ok", "tcp4 lost, tcp6 ok, old4 lost, old6 ok, udp4 lost, udp6 ok"},
		"refuse from a by IPv6": {func(sim *simtest.Sim) { sim.Refuse("b:1", only{From: "a", Family: 6}) },
			"tcp4 ok, tcp6 refused, old4 ok, old6 ok, udp4 ok, udp6 refused", passes},
		"refuse by IPv4, blackhole by IPv6": {func(sim *simtest.Sim) { sim.Refuse("b", only{Family: 4}); sim.Blackhole("b", only{Family: 6}) },
			"tcp4 refused, tcp6 lost, old4 ok, old6 lost, udp4 refused, udp6 lost", "tcp4 refused, tcp6 lost, old4 ok, old6 lost, udp4 refused, udp6 lost"},
		"blackhole, allow by IPv4": {func(sim *simtest.Sim) { sim.Blackhole("b"); sim.Allow("b", only{Family: 4}) },
			"tcp4 ok, tcp6 lost, old4 ok, old6 lost, udp4 ok, udp6 lost", "tcp4 ok, tcp6 lost, old4 ok, old6 lost, udp4 ok, udp6 lost"},

		"blackhole of new connections": {func(sim *simtest.Sim) { sim.Blackhole("b", only{NewOnly: true}) },
			"tcp4 lost, tcp6 lost, old4 ok, old6 ok, udp4 ok, udp6 ok", "tcp4 lost, tcp6 lost, old4 ok, old6 ok, udp4 ok, udp6 ok"},
		"refuse of new connections": {func(sim *simtest.Sim) { sim.Refuse("b", only{NewOnly: true}) },
			"tcp4 refused, tcp6 refused, old4 ok, old6 ok, udp4 ok, udp6 ok", "tcp4 refused, tcp6 refused, old4 ok, old6 ok, udp4 ok, udp6 ok"},
		"blackhole of new connections from a by IPv4": {func(sim *simtest.Sim) { sim.Blackhole("b", only{"a", 4, true}) },
			"tcp4 lost, tcp6 ok, old4 ok, old6 ok, udp4 ok, udp6 ok", passes},
		"blackhole of new connections, allow all": {func(sim *simtest.Sim) { sim.Blackhole("b", only{NewOnly: true}); sim.Allow("b") }, passes, passes},
	} {
		t.Run(name, func(t *testing.T) {
			simtest.Config{KeepPools: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
				sim.SetDefaultLink(netem.Link{Latency: 10 * ms})
				b := sim.Host("b")
				listener, err := b.Listen("tcp", ":1")
				require.NoError(t, err)
				b.Go(func(context.Context) {
					for {
						conn, err := listener.Accept()
						if err != nil {
							return
						}
						go func() { _, _ = io.Copy(conn, conn) }()
					}
				})
				socket, err := b.ListenPacket("udp", ":1")
				require.NoError(t, err)
				b.Go(func(context.Context) {
					buffer := make([]byte, 10)
					for {
						n, from, err := socket.ReadFrom(buffer)
						if err != nil {
							return
						}
						_, _ = socket.WriteTo(buffer[:n], from)
					}
				})
				old := make(map[string]net.Conn)
				for _, from := range []string{"a", "c"} {
					for _, family := range []string{"4", "6"} {
						old[from+family], err = sim.Host(from).Dial("tcp"+family, "b:1")
						require.NoError(t, err)
					}
				}
				test.faults(sim)
				assert.Equal(t, test.a, fates(t, sim, "a", old), "from a")
				assert.Equal(t, test.c, fates(t, sim, "c", old), "from c")
				sim.Allow("b")
				sim.Allow("b:1")
				time.Sleep(5 * time.Minute) // for retransmissions
				for _, from := range []string{"a", "c"} {
					for _, family := range []string{"4", "6"} {
						conn := old[from+family]
						require.NoError(t, conn.SetDeadline(time.Time{}))
						_, err := conn.Write([]byte("x"))
						require.NoError(t, err)
						_, err = conn.Read(make([]byte, 1))
						assert.NoError(t, err, "all is well again")
					}
				}
			})
		})
	}
}

// A blackhole for a host drops everything sent to it, including answers to its own
// connection requests.
func TestBlackholeOfTheDiallingHost(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		_, err := sim.Host("b").Listen("tcp", ":1")
		require.NoError(t, err)
		udp, err := sim.Host("a").Dial("udp", "b:2")
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		sim.Blackhole("a", simtest.Only{From: "b"})
		_, err = sim.Host("a").DialContext(ctx, "tcp", "b:1")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = udp.Write([]byte("x"))
		require.NoError(t, err)
		require.NoError(t, udp.SetReadDeadline(time.Now().Add(time.Second)))
		_, err = udp.Read(make([]byte, 1))
		assert.Equal(t, "lost", fate(err), "the answer that nothing listens on the port")
		_, err = sim.Host("c").Dial("tcp", "b:1")
		assert.NoError(t, err)
	})
}

// An invalid address or limit panics at once.
func TestInvalidRules(t *testing.T) {
	simtest.Config{KeepEvents: 1}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		a := sim.Host("a")
		sim.Host("b")
		for want, fault := range map[string]func(){
			`simtest: Blackhole: "10.0.0.1" is not an address: use a host's name and a port, such as "poet:10000", or the name alone, and Only{Family: 6} for its IPv6 address`: func() { sim.Blackhole(a.Addr().String()) },
			`simtest: Allow: "a:http" is not an address: use a host's name and a port, such as "poet:10000", or the name alone, and Only{Family: 6} for its IPv6 address`:       func() { sim.Allow("a:http") },
			`simtest: Refuse: Only.Family is 5: it must be 4 for IPv4, 6 for IPv6, or 0 for both`:                                                                               func() { sim.Refuse("a", simtest.Only{Family: 5}) },
			`simtest: Refuse: Only.Family is -4: it must be 4 for IPv4, 6 for IPv6, or 0 for both`:                                                                              func() { sim.Refuse("a", simtest.Only{}, simtest.Only{Family: -4}) },
			`simtest: Allow names "B", which is not a host; the nearest name is "b"`:                                                                                            func() { sim.Allow("a", simtest.Only{From: "B"}) },
		} {
			assert.PanicsWithValue(t, want, fault)
		}
		assert.Empty(t, sim.Trace().Events())
	})
}

// A trace and a report include the limits of a fault.
func TestRulesAreTraced(t *testing.T) {
	t.Parallel()
	output := failing(t, simtest.Config{TimeLimit: time.Second, KeepEvents: 10}, func(t *testing.T, sim *simtest.Sim) {
		sim.Host("a")
		sim.Host("b")
		sim.Blackhole("b:1", simtest.Only{From: "a", Family: 6}, simtest.Only{NewOnly: true})
		sim.Allow("b:1", simtest.Only{Family: 4})
		sim.Refuse("a")
		for _, e := range sim.Trace().Events() {
			fmt.Println(e)
		}
		for range 1000 { // repeated faults do not accumulate
			sim.Blackhole("b:1", simtest.Only{From: "a"})
			sim.Allow("b:1", simtest.Only{From: "a"})
			sim.Blackhole("a:7")
			sim.Allow("a:7")
		}
		time.Sleep(time.Hour)
	})
	if output == "" {
		return
	}
	assert.Contains(t, output, `0s fault >b:1 (blackhole; from a, by IPv6; new connections)
0s fault >b:1 (allow; by IPv4)
0s fault >a (refuse)
`)
	assert.Contains(t, withoutIndent(output), `On the network:
a is refused
b:1 is a black hole (new connections)
b:1 is allowed (by IPv4)
b:1 is allowed (from a)
Goroutines:
`)
}

// Faults of one instant that differ only in their limits have a fixed order.
func TestOrderOfRules(t *testing.T) {
	repeats(t, 60, func(t *testing.T, sim *simtest.Sim, note func(string, ...any)) {
		limits := []simtest.Only{{From: "a"}, {From: "b"}, {Family: 4}, {Family: 6}, {NewOnly: true}, {}}
		for _, name := range []string{"a", "b", "c"} {
			sim.Host(name)
		}
		_, err := sim.Host("c").Listen("tcp", ":1")
		require.NoError(t, err)
		done := make(chan struct{})
		for i, only := range slices.Concat(limits, limits) {
			go func() {
				if i < len(limits) {
					sim.Allow("c", only)
				} else {
					sim.Refuse("c", only)
				}
				done <- struct{}{}
			}()
		}
		for range 2 * len(limits) {
			<-done
		}
		for _, from := range []string{"a", "b"} {
			for _, network := range []string{"tcp4", "tcp6"} {
				_, err := sim.Host(from).Dial(network, "c:1")
				note("%s %s: %s", from, network, fate(err))
			}
		}
	})
}

package simtest_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// dials returns a function that dials by name and accepts.
func dials(t testing.TB, sim *simtest.Sim) (dial func() (client, server net.Conn)) {
	listener, err := sim.Host("server").Listen("tcp", ":10000")
	require.NoError(t, err)
	host := sim.Host("client")
	return func() (client, server net.Conn) {
		client, err := host.DialContext(t.Context(), "tcp", "server:10000")
		if err != nil {
			t.Fatal(err)
		}
		if server, err = listener.Accept(); err != nil {
			t.Fatal(err)
		}
		return client, server
	}
}

// BenchmarkDial measures a dial by name with the call of Accept: "close" closes
// both ends as well, "keep" keeps up to 10,000 connections.
func BenchmarkDial(b *testing.B) {
	for _, congestion := range []netem.Congestion{netem.CUBIC, netem.Unlimited} {
		config := simtest.Config{Link: netem.Link{Latency: 5 * ms}, TCP: netem.TCP{Congestion: congestion}, KeepPools: true}
		b.Run(congestion.String()+"/close", func(b *testing.B) {
			b.ReportAllocs()
			inTest(b, func(t *testing.T) {
				config.Run(t, func(t *testing.T, sim *simtest.Sim) {
					dial := dials(t, sim)
					for range b.N {
						client, server := dial()
						_ = client.Close()
						_ = server.Close()
					}
				})
			})
		})
		b.Run(congestion.String()+"/keep", func(b *testing.B) {
			b.ReportAllocs()
			inTest(b, func(t *testing.T) {
				for left := b.N; left > 0; left -= 10_000 {
					config.Run(t, func(t *testing.T, sim *simtest.Sim) {
						dial := dials(t, sim)
						for range min(left, 10_000) {
							dial()
						}
					})
				}
			})
		})
	}
}

// A connection takes little memory. Memory dominates the cost of a piece with 10,000
// connections. The runtime's size classes go from 2,688 to 3,072 bytes, and the runtime
// itself uses eight bytes of each object.
func TestConnSize(t *testing.T) {
	assert.LessOrEqual(t, simtest.TCPConnSize, 2688-8)
}

// A dial allocates little memory, which dominates its cost with 10,000 connections.
func TestDialAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates as well")
	}
	for _, test := range []struct {
		congestion  netem.Congestion
		dial, close float64
	}{
		{netem.CUBIC, 3, 0},
		{netem.Unlimited, 6, 2},
	} {
		t.Run(test.congestion.String(), func(t *testing.T) {
			config := simtest.Config{Link: netem.Link{Latency: 5 * ms}, TCP: netem.TCP{Congestion: test.congestion}}
			config.Run(t, func(t *testing.T, sim *simtest.Sim) {
				const runs = 500
				dial := dials(t, sim)
				var conns []net.Conn
				for range runs + 1 {
					client, server := dial()
					conns = append(conns, client, server)
				}
				closeNext := func() {
					_ = conns[0].Close()
					_ = conns[1].Close()
					sim.Settle()
					conns = conns[2:]
				}
				settles := testing.AllocsPerRun(runs, sim.Settle)
				assert.LessOrEqual(t, testing.AllocsPerRun(runs, closeNext)-settles, test.close, "close of both ends")
				assert.LessOrEqual(t, testing.AllocsPerRun(runs, func() { dial() }), test.dial, "dial and accept")
			})
		})
	}
}

// BenchmarkUnmodified measures the same as BenchmarkDial with close, for a program that
// calls package net, which uses the host's network with the overlay.
func BenchmarkUnmodified(b *testing.B) {
	b.ReportAllocs()
	inTest(b, func(t *testing.T) {
		simtest.Config{Link: netem.Link{Latency: 5 * ms}, KeepPools: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			listen, dial := sim.Host("server").Listen, sim.Host("client").DialContext
			if simtest.Overlay().Net {
				listen, dial = net.Listen, new(net.Dialer).DialContext
			}
			var listener net.Listener
			sim.Host("server").Do(func() {
				var err error
				listener, err = listen("tcp", ":10000")
				require.NoError(t, err)
			})
			sim.Host("client").Do(func() {
				for range b.N {
					client, err := dial(t.Context(), "tcp", "server:10000")
					require.NoError(t, err)
					server, err := listener.Accept()
					require.NoError(t, err)
					_ = client.Close()
					_ = server.Close()
				}
			})
		})
	})
}

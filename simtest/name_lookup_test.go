package simtest_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// pending holds calls that wait for the network, on host a: each waits for
// longer than a minute.
var pending = map[string]func(t *testing.T, sim *simtest.Sim) error{
	"lookup": func(t *testing.T, sim *simtest.Sim) error {
		_, err := sim.Host("a").Resolver().LookupHost(context.Background(), "slow")
		return err
	},
	"lookup of a record": func(t *testing.T, sim *simtest.Sim) error {
		_, err := sim.Host("a").Resolver().LookupTXT(context.Background(), "slow")
		return err
	},
	"dial in its lookup": func(t *testing.T, sim *simtest.Sim) error {
		_, err := sim.Host("a").DialContext(context.Background(), "tcp", "slow:1")
		return err
	},
	"dial by UDP in its lookup": func(t *testing.T, sim *simtest.Sim) error {
		_, err := sim.Host("a").DialContext(context.Background(), "udp", "slow:1")
		return err
	},
	"dial": func(t *testing.T, sim *simtest.Sim) error {
		_, err := sim.Host("a").DialContext(context.Background(), "tcp", "far:1")
		return err
	},
	"accept": func(t *testing.T, sim *simtest.Sim) error {
		listener, err := sim.Host("a").Listen("tcp", ":2")
		require.NoError(t, err)
		_, err = listener.Accept()
		return err
	},
	"read of datagrams": func(t *testing.T, sim *simtest.Sim) error {
		socket, err := sim.Host("a").ListenPacket("udp", ":2")
		require.NoError(t, err)
		_, _, err = socket.ReadFrom(make([]byte, 1))
		return err
	},
	"read": func(t *testing.T, sim *simtest.Sim) error {
		client, _ := connected(t, sim)
		_, err := client.Read(make([]byte, 1))
		return err
	},
	"write": func(t *testing.T, sim *simtest.Sim) error {
		client, _ := connected(t, sim)
		_, err := client.Write(make([]byte, 8<<20))
		return err
	},
}

// begin starts a call and waits for a minute.
func begin(t *testing.T, sim *simtest.Sim, call func(t *testing.T, sim *simtest.Sim) error) (result <-chan error) {
	sim.SetLink("a", "far", netem.Link{Latency: 48 * time.Hour})
	sim.SetName("slow", simtest.Name{Host: "far", Delay: 48 * time.Hour})
	sim.Host("far")
	ended := make(chan error, 1)
	go func() { ended <- call(t, sim) }()
	time.Sleep(time.Minute)
	select {
	case err := <-ended:
		t.Errorf("it has ended already: %v", err)
	default:
	}
	return ended
}

// When a host crashes, every network call of its goroutines returns, even if the host
// restarts at once.
func TestCrashEndsNetworkCalls(t *testing.T) {
	for name, call := range pending {
		for _, fault := range []func(host *simtest.Host){(*simtest.Host).Crash, (*simtest.Host).Restart} {
			t.Run(name, func(t *testing.T) {
				simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
					result := begin(t, sim, call)
					fault(sim.Host("a"))
					err := <-result
					var dns *net.DNSError
					assert.True(t, errors.Is(err, syscall.ENETDOWN) || errors.Is(err, net.ErrClosed) ||
						errors.As(err, &dns) && dns.Err == "network is down" && dns.IsTemporary, "%v", err)
					assert.Equal(t, time.Minute, sim.Elapsed())
				})
			})
		}
	}
}

// When the simulation ends, every network call returns, too.
func TestEndOfRunEndsNetworkCalls(t *testing.T) {
	for name, call := range pending {
		t.Run(name, func(t *testing.T) {
			simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
				begin(t, sim, func(t *testing.T, sim *simtest.Sim) error {
					err := call(t, sim)
					assert.ErrorIs(t, err, net.ErrClosed)
					assert.Equal(t, time.Minute, sim.Elapsed())
					return err
				})
			})
		})
	}
}

// A client that times out before its server's name is resolved leaves nothing behind,
// although net/http lets the dial continue.
func TestLookupOutlivesItsClient(t *testing.T) {
	for _, seed := range []uint64{0, 1} {
		simtest.CheckDeterminism(t, simtest.Config{Seed: seed}, func(t *testing.T, sim *simtest.Sim) {
			sim.SetName("poet", simtest.Name{Delay: time.Hour})
			sim.Host("poet")
			client := &http.Client{Transport: &http.Transport{DialContext: sim.Host("reader").DialContext}, Timeout: 5 * time.Second}
			_, err := client.Get("http://poet/")
			var timeout net.Error
			require.ErrorAs(t, err, &timeout)
			assert.True(t, timeout.Timeout())
			assert.Equal(t, 5*time.Second, sim.Elapsed())
		})
	}
}

// A lookup that would end at the instant of its deadline has missed it, in every
// run.
func TestLookupUntilTheDeadline(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetName("slow", simtest.Name{Host: "a", Delay: time.Second})
		for i := range 100 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := sim.Host("a").Resolver().LookupHost(ctx, "slow")
			cancel()
			var dns *net.DNSError
			require.ErrorAs(t, err, &dns)
			assert.True(t, dns.IsTimeout)
			assert.Equal(t, time.Duration(i+1)*time.Second, sim.Elapsed())
		}
	})
}

// Lookups of one host that end at one instant end in a fixed order.
func TestOrderOfLookups(t *testing.T) {
	repeats(t, 30, func(t *testing.T, sim *simtest.Sim, note func(string, ...any)) {
		names := []string{"c", "a", "b", "d"}
		for _, name := range names {
			sim.SetName(name, simtest.Name{Host: "host", Delay: time.Second})
			go func() {
				_, err := sim.Host("host").Resolver().LookupHost(context.Background(), name)
				note("%s: %v", name, err)
			}()
		}
		time.Sleep(2 * time.Second)
	})
}

// A report describes a pending lookup.
func TestLookupIsReported(t *testing.T) {
	output := failing(t, simtest.Config{TimeLimit: time.Hour}, func(t *testing.T, sim *simtest.Sim) {
		sim.SetName("slow", simtest.Name{Host: "a", Delay: 2 * time.Hour})
		_, err := sim.Host("a").Dial("tcp", "slow:1")
		assert.ErrorIs(t, err, net.ErrClosed)
	})
	if output != "" {
		assert.Contains(t, withoutIndent(output), "Host a:\nlookup of \"slow\": takes until 2h0m0s\n")
		assert.NotContains(t, output, "goroutines that still run")
	}
}

// The error of a name belongs to the test: lookups do not change it.
func TestErrorOfANameIsNotChanged(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		shared := &net.DNSError{Err: "server misbehaving", Server: "10.1.1.1", IsTemporary: true}
		for _, name := range []string{"one", "two"} {
			sim.SetName(name, simtest.Name{Err: shared})
		}
		_, one := sim.Host("a").Resolver().LookupHost(t.Context(), "one")
		_, two := sim.Host("a").Resolver().LookupHost(t.Context(), "two")
		assert.EqualError(t, one, "lookup one on 10.1.1.1: server misbehaving")
		assert.EqualError(t, two, "lookup two on 10.1.1.1: server misbehaving")
		assert.Empty(t, shared.Name)
	})
}

// The name of an address is its host's name; the name of a host's own loopback address is
// localhost.
func TestNamesOfAddresses(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		r := sim.Host("a").Resolver()
		addrs, err := sim.Host("b").Resolver().LookupHost(t.Context(), "b")
		require.NoError(t, err)
		for _, addr := range addrs {
			names, err := r.LookupAddr(t.Context(), addr)
			require.NoError(t, err)
			assert.Equal(t, []string{"b"}, names)
		}
		for _, addr := range []string{"127.0.0.1", "::1", "127.1.2.3"} {
			names, err := r.LookupAddr(t.Context(), addr)
			require.NoError(t, err)
			assert.Equal(t, []string{"localhost"}, names)
		}
	})
}

// A lookup cannot take less than no time.
func TestNegativeDelayOfAName(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		assert.PanicsWithValue(t, "simtest: SetName: Delay is -1s: it must be 0 or more", func() { sim.SetName("www", simtest.Name{Delay: -time.Second}) })
	})
}

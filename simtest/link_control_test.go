package simtest_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Operations on the network by independent hosts at one instant have the same order in
// every run.
func TestFaultsOfManyHostsHaveOneOrder(t *testing.T) {
	for seed := range uint64(30) {
		simtest.CheckDeterminism(t, simtest.Config{Seed: seed, KeepPools: true}, func(t *testing.T, sim *simtest.Sim) {
			for i := range 8 {
				host := sim.Host(fmt.Sprint("host", i))
				sim.Host(fmt.Sprint("other", i))
				host.Run(func(context.Context) error {
					time.Sleep(time.Second)
					host.SetSkew(time.Millisecond)
					sim.Host(fmt.Sprint("other", i)).Crash()
					sim.SetLink(host.Name(), fmt.Sprint("other", i), netem.Link{Latency: ms})
					sim.At(2*time.Second, func() { sim.Partition([]string{host.Name()}) })
					return nil
				})
			}
			sim.At(3*time.Second, func() { time.Sleep(time.Second); sim.Hold("host1", "host2") })
			sim.At(3*time.Second, func() { time.Sleep(time.Second); sim.Heal("host3") })
			time.Sleep(5 * time.Second)
		})
	}
}

// Hosts that settle at one instant continue at the same time, and their packets have a
// fixed order.
func TestManySettle(t *testing.T) {
	for seed := range uint64(30) {
		simtest.CheckDeterminism(t, simtest.Config{Seed: seed, KeepPools: true}, func(t *testing.T, sim *simtest.Sim) {
			_, err := sim.Host("sink").ListenPacket("udp", ":1")
			require.NoError(t, err)
			for i := range 8 {
				host := sim.Host(fmt.Sprint("host", i))
				host.Run(func(context.Context) error {
					conn, err := host.Dial("udp", "sink:1")
					if err != nil {
						return err
					}
					time.Sleep(time.Second)
					sim.Settle()
					_, err = io.WriteString(conn, host.Name())
					return err
				})
			}
			time.Sleep(2 * time.Second)
		})
	}
}

// Faults take effect, with all consequences at their instant, before the call returns.
func TestFaultsTakeEffectBeforeTheyReturn(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		sim.Reset("a", "b")
		_, err := client.Write([]byte("x"))
		assert.ErrorIs(t, err, syscall.ECONNRESET)
		_, err = server.Write([]byte("x"))
		assert.ErrorIs(t, err, syscall.ECONNRESET)

		c := sim.Host("c")
		listener, err := c.Listen("tcp", ":1")
		require.NoError(t, err)
		client, err = c.Dial("tcp", "c:1")
		require.NoError(t, err)
		server, err = listener.Accept()
		require.NoError(t, err)
		sim.ResetConn(server)
		_, err = client.Write([]byte("x"))
		assert.ErrorIs(t, err, syscall.ECONNRESET)

		var program context.Context
		c.Run(func(ctx context.Context) error {
			program = ctx
			<-ctx.Done()
			return nil
		})
		sim.Settle()
		first := program
		c.Restart()
		assert.ErrorIs(t, context.Cause(first), simtest.ErrCrashed)
		assert.NotEqual(t, first, program, "it runs again")
		assert.NoError(t, program.Err())
		_, err = c.Listen("tcp", ":1")
		assert.NoError(t, err, "the port is free again")
		c.Crash()
		assert.ErrorIs(t, context.Cause(program), simtest.ErrCrashed)
	})
}

// A program that loops without time passing is stopped.
func TestSettlingForEverIsStopped(t *testing.T) {
	defer simtest.SetMaxAtOnce(1000)()
	output := failing(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim) {
		sim.Host("a")
		for t.Context() != nil {
			sim.Settle()
			sim.Heal()
		}
	})
	if output != "" {
		assert.Contains(t, output, "events have happened at this instant, and time does not advance")
	}
}

// Held packets arrive in the order of sending, whatever the seed is.
func TestReleaseKeepsTheOrder(t *testing.T) {
	for seed := range uint64(10) {
		simtest.Config{Seed: seed}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			packets, err := sim.Host("b").ListenPacket("udp", ":1")
			require.NoError(t, err)
			a := sim.Host("a")
			sim.Hold("a", "b")
			for i := range 10 {
				conn, err := a.Dial("udp", "b:1")
				require.NoError(t, err)
				write1(t, conn, '0'+byte(i))
				time.Sleep(time.Second)
			}
			sim.Release("a", "b")
			heard := make([]byte, 10)
			for i := range heard {
				_, _, err := packets.ReadFrom(heard[i : i+1])
				require.NoError(t, err)
			}
			assert.Equal(t, "0123456789", string(heard))
		})
	}
}

// The default link may change while the simulation runs, and applies to pairs of hosts
// without a link of their own.
func TestDefaultLinkChanges(t *testing.T) {
	simtest.Config{Link: netem.Link{Latency: time.Second}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetLink("b", "a", netem.Link{Latency: time.Minute})
		client, server := connected(t, sim)
		sim.SetDefaultLink(netem.Link{Latency: 3 * time.Second})
		start := sim.Elapsed()
		write1(t, client, 'x')
		read1(t, server, 'x')
		assert.Equal(t, start+3*time.Second, sim.Elapsed())
		write1(t, server, 'x')
		read1(t, client, 'x')
		assert.Equal(t, start+3*time.Second+time.Minute, sim.Elapsed())
		assert.PanicsWithValue(t, "simtest: default link: netem: Latency is -1s: it must be 0 or more", func() {
			sim.SetDefaultLink(netem.Link{Latency: -time.Second})
		})
	})
}

// Each simulation begins with an idle bottleneck.
func TestBottleneckBeginsAnew(t *testing.T) {
	bottleneck := netem.NewBottleneck(8 * netem.Kbps)
	for _, config := range []simtest.Config{{TCP: unlimited, Link: netem.Link{Bottleneck: bottleneck}}, ideal} {
		simtest.CheckDeterminism(t, config, func(t *testing.T, sim *simtest.Sim) {
			sim.SetLink("a", "b", netem.Link{Bottleneck: bottleneck})
			client, server := connected(t, sim)
			start := sim.Elapsed()
			_, err := client.Write(make([]byte, 3000))
			require.NoError(t, err)
			_, err = io.ReadFull(server, make([]byte, 3000))
			require.NoError(t, err)
			assert.Equal(t, 3*time.Second, sim.Elapsed()-start)
		})
	}
}

// Every loss of a stream's packet is in the trace.
func TestTraceOfLoss(t *testing.T) {
	lost := func(link netem.Link, f func(t *testing.T, sim *simtest.Sim)) (notes []string) {
		simtest.Config{TCP: unlimited, KeepEvents: 1000, Seed: 1}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			sim.SetLink("a", "b", link)
			f(t, sim)
			for _, e := range sim.Trace().Events() {
				if e.Kind == trace.Drop {
					notes = append(notes, e.String())
				}
			}
		})
		return notes
	}
	assert.Equal(t, []string{
		"0s drop a>b a/tcp#1 offset 1, 4 bytes (partition)",
		"1s drop a>b a/tcp#1 offset 1, 4 bytes (partition)",
		"3s drop a>b a/tcp#1 offset 1, 4 bytes (partition)",
	}, lost(netem.Link{}, func(t *testing.T, sim *simtest.Sim) {
		client, _ := connected(t, sim)
		write1(t, client, 'x')
		sim.Settle()
		sim.Partition([]string{"a"}, []string{"b"})
		_, err := client.Write([]byte("lost"))
		require.NoError(t, err)
		time.Sleep(4 * time.Second)
	}))
	assert.Equal(t, []string{
		"0s drop a>b a/tcp#1 (host is down)",
		"1s drop a>b a/tcp#1 (host is down)",
	}, lost(netem.Link{}, func(t *testing.T, sim *simtest.Sim) {
		sim.Host("b").Crash()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := sim.Host("a").DialContext(ctx, "tcp4", "b:1")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	}))
	assert.NotEmpty(t, lost(netem.Link{Loss: netem.Loss{Random: 0.5}}, func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		_, err := client.Write(make([]byte, 20_000))
		require.NoError(t, err)
		_, err = io.ReadFull(server, make([]byte, 20_000))
		require.NoError(t, err)
	}))
}

// The results of a simulation do not change after its end.
func TestAfterTheEnd(t *testing.T) {
	var ended *simtest.Sim
	var digest string
	simtest.Config{KeepEvents: 10}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		ended = sim
		sim.Host("a")
		time.Sleep(time.Second)
		sim.Heal()
		digest = sim.Trace().Digest()
	})
	ended.Heal()
	ended.Host("a").Crash()
	ended.Settle()
	assert.Equal(t, digest, ended.Trace().Digest())
	assert.Equal(t, time.Second, ended.Elapsed())
	assert.Equal(t, "2000-01-01T00:00:01Z", ended.Now().UTC().Format(time.RFC3339))
}

// The same calls at the instant of the end are in time in every run.
func TestEndOfManyDials(t *testing.T) {
	for seed := range tier.Count[uint64](30, 100) {
		simtest.CheckDeterminism(t, simtest.Config{Seed: seed, KeepPools: true}, func(t *testing.T, sim *simtest.Sim) {
			sim.Host("a")
			sim.Host("b")
			sim.Partition([]string{"a"}, []string{"b"})
			for i := range 10 {
				go func() {
					time.Sleep(time.Second)
					_, err := sim.Host("a").Dial("tcp", fmt.Sprint("b:", 1+i))
					assert.ErrorIs(t, err, net.ErrClosed)
				}()
			}
			time.Sleep(time.Second)
		})
	}
}

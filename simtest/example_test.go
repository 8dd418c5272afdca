package simtest_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

var t *testing.T // of the test that runs the examples

func TestExamples(testT *testing.T) {
	t = testT
	ExampleRun()
	ExampleSim_Partition()
	ExampleHost_Run()
	ExampleHost_Run_shutdown()
	ExampleConfig_Run()
	ExampleConfig_seed()
	ExampleCheckDeterminism()
	ExampleHost_DialContext_nameServer()
	ExampleHost_SetAccess()
	ExampleChaos()
	ExampleChaos_schedule()
}

// Downloads from several servers share the client's access line of 10 Mbit/s.
func ExampleHost_SetAccess() {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		client := sim.Host("client")
		client.SetAccess(netem.Profile{
			Down: netem.Link{Latency: 10 * time.Millisecond, Rate: 10 * netem.Mbps},
			Up:   netem.Link{Latency: 10 * time.Millisecond, Rate: 2 * netem.Mbps},
		})
		var downloads sync.WaitGroup
		for i := range 4 {
			server := sim.Host(fmt.Sprint("server", i))
			listener, err := server.Listen("tcp", ":80")
			require.NoError(t, err)
			server.Go(func(context.Context) {
				conn, err := listener.Accept()
				if err == nil {
					_, _ = conn.Write(make([]byte, 1_250_000)) // 10 Mbit
					_ = conn.Close()
				}
			})
			downloads.Go(func() {
				conn, err := client.Dial("tcp", server.Name()+":80")
				if assert.NoError(t, err) {
					_, _ = io.Copy(io.Discard, conn)
				}
			})
		}
		downloads.Wait()
		assert.InDelta(t, 4, sim.Elapsed().Seconds(), 0.3) // one alone would take a second
	})
}

// Two hosts with a latency of a second between them.
func ExampleRun() {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetLink("poet", "reader", netem.Link{Latency: time.Second})
		listener, err := sim.Host("poet").Listen("tcp", ":10000")
		require.NoError(t, err)
		go func() {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, "a poem")
		}()

		conn, err := sim.Host("reader").DialContext(t.Context(), "tcp", "poet:10000")
		require.NoError(t, err)
		poem, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.Equal(t, "a poem", string(poem))
		assert.Equal(t, 2*time.Second, sim.Elapsed()) // the answer to the dial, and the poem
	})
}

// A network that is partitioned for two seconds.
func ExampleSim_Partition() {
	simtest.Config{Link: netem.Link{Latency: 50 * time.Millisecond}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		poet, reader := sim.Host("poet"), sim.Host("reader")
		listener, err := poet.Listen("tcp", ":10000")
		require.NoError(t, err)
		sim.Partition([]string{"poet"}, []string{"reader"})
		sim.At(2*time.Second, func() { sim.Heal() })

		_, err = reader.DialContext(t.Context(), "tcp", "poet:10000")
		require.NoError(t, err)
		_, err = listener.Accept()
		require.NoError(t, err)
		// The request was lost at 0, 1 and 2 s. The one at 3 s got through; its
		// answer took until 3.1 s, and the confirmation until 3.15 s.
		assert.Equal(t, 3150*time.Millisecond, sim.Elapsed())
	})
}

// A host crashes, and its program runs again when the host restarts.
func ExampleHost_Run() {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		poet, reader := sim.Host("poet"), sim.Host("reader")
		served := 0 // as if on a disk: it outlives the crash
		poet.Run(func(ctx context.Context) error {
			listener, err := poet.Listen("tcp", ":10000")
			if err != nil {
				return err
			}
			defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
			for {
				conn, err := listener.Accept()
				if err != nil {
					return nil // the host has crashed, or the simulation ends
				}
				served++
				_, _ = fmt.Fprintf(conn, "poem %d", served)
				_ = conn.Close()
			}
		})
		read := func() string {
			conn, err := reader.DialContext(t.Context(), "tcp", "poet:10000")
			if err != nil {
				return err.Error()
			}
			poem, _ := io.ReadAll(conn)
			return string(poem)
		}
		assert.Equal(t, "poem 1", read())

		poet.Crash()
		sim.At(10*time.Second, poet.Restart)
		assert.Equal(t, "poem 2", read()) // asked at 0, 1, 2, 3, 4, 5, 7 and 11 s
		assert.Equal(t, 11*time.Second, sim.Elapsed())
	})
}

// A server that has an open request when the simulation ends answers it before it
// stops.
func ExampleHost_Run_shutdown() {
	answer := ""
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		poet, reader := sim.Host("poet"), sim.Host("reader")
		poet.Run(func(ctx context.Context) error {
			listener, err := poet.Listen("tcp", ":80")
			if err != nil {
				return err
			}
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				time.Sleep(2 * time.Second)
				_, _ = io.WriteString(w, "a poem")
			})}
			go func() { _ = server.Serve(listener) }()
			<-ctx.Done()
			return server.Shutdown(context.WithoutCancel(ctx)) // in the grace period
		})
		reader.Run(func(ctx context.Context) error {
			client := &http.Client{Transport: &http.Transport{DialContext: reader.DialContext, DisableKeepAlives: true}}
			response, err := client.Get("http://poet/")
			if err != nil {
				return err
			}
			defer response.Body.Close()
			poem, err := io.ReadAll(response.Body)
			answer = string(poem)
			return err
		})
		time.Sleep(time.Second) // and the simulation ends
	})
	assert.Equal(t, "a poem", answer)
}

// The helpers of this test register cleanup functions for what they start. The
// test gives programs a minute to return.
func ExampleConfig_Run() {
	config := simtest.Config{Link: netem.Link{Latency: 50 * time.Millisecond}, Grace: time.Minute}
	config.Run(t, func(t *testing.T, sim *simtest.Sim) {
		listener, err := sim.Host("poet").Listen("tcp", ":80")
		require.NoError(t, err)
		server := &http.Server{Handler: http.NotFoundHandler()}
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(func() { assert.NoError(t, server.Shutdown(context.Background())) })

		conn, err := sim.Host("reader").DialContext(t.Context(), "tcp", "poet:80")
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, conn.Close()) })
	})
}

// The seed decides which of two hosts is first. The result is always the same for
// one seed.
func ExampleConfig_seed() {
	winner := func(seed uint64) (first string) {
		simtest.Config{Seed: seed}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			listener, err := sim.Host("judge").Listen("tcp", ":1")
			require.NoError(t, err)
			for _, name := range []string{"hare", "hedgehog"} {
				runner := sim.Host(name)
				runner.Run(func(ctx context.Context) error {
					conn, err := runner.DialContext(ctx, "tcp", "judge:1")
					if err == nil {
						_, err = io.WriteString(conn, name)
						_ = conn.Close()
					}
					return err
				})
			}
			conn, err := listener.Accept()
			require.NoError(t, err)
			name, err := io.ReadAll(conn)
			require.NoError(t, err)
			first = string(name)
			time.Sleep(time.Second) // the other one arrives too
		})
		return first
	}
	wins := make(map[string]int)
	for seed := range uint64(20) {
		wins[winner(seed)]++
		assert.Equal(t, winner(seed), winner(seed))
	}
	assert.Len(t, wins, 2) // each host wins with some seeds
}

// A simulation that is the same in every run.
func ExampleCheckDeterminism() {
	simtest.CheckDeterminism(t, simtest.Config{Seed: 7}, func(t *testing.T, sim *simtest.Sim) {
		packets, err := sim.Host("a").ListenPacket("udp", ":1")
		require.NoError(t, err)
		_, err = packets.WriteTo([]byte("to myself"), packets.LocalAddr())
		require.NoError(t, err)
		_, _, err = packets.ReadFrom(make([]byte, 100))
		require.NoError(t, err)
	})
}

// A program looks up names with its own net.Resolver, which asks a name server on
// another host: query and response cross the network, with its latency and its
// faults.
func ExampleHost_DialContext_nameServer() {
	simtest.Config{Link: netem.Link{Latency: 50 * time.Millisecond}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		poet, reader, names := sim.Host("poet"), sim.Host("reader"), sim.Host("names")
		socket, err := names.ListenPacket("udp", ":53")
		require.NoError(t, err)
		zone := nameServer{"poet.example.", []netip.Addr{poet.Addr(), poet.Addr6()}}
		names.Run(func(context.Context) error {
			question := make([]byte, 512)
			for {
				n, from, err := socket.ReadFrom(question)
				if err != nil {
					return nil // the socket is closed
				}
				answer, err := zone.answer(question[:n])
				if err != nil {
					return err
				}
				if _, err := socket.WriteTo(answer, from); err != nil {
					return err
				}
			}
		})

		resolver := &net.Resolver{
			PreferGo: true,
			Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return reader.DialContext(ctx, network, "names:53") // whatever resolv.conf says
			},
		}
		addrs, err := resolver.LookupNetIP(t.Context(), "ip4", "poet.example.")
		require.NoError(t, err)
		assert.Equal(t, poet.Addr(), addrs[0].Unmap())
		assert.Equal(t, 100*time.Millisecond, sim.Elapsed())
	})
}

package simtest_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// inTest runs f in a test, since a bubble needs one.
func inTest(b *testing.B, f func(t *testing.T)) {
	b.Helper()
	if !simtest.RunAsTest(b.Name(), f) {
		b.Fatal("it failed")
	}
}

// BenchmarkRun measures an empty simulation, with and without the garbage collections
// that empty pools.
func BenchmarkRun(b *testing.B) {
	for _, config := range []simtest.Config{{}, {KeepPools: true}} {
		b.Run(fmt.Sprint("KeepPools=", config.KeepPools), func(b *testing.B) {
			b.ReportAllocs()
			inTest(b, func(t *testing.T) {
				for range b.N {
					config.Run(t, func(*testing.T, *simtest.Sim) {})
				}
			})
		})
	}
}

// BenchmarkOpenSocket measures opening a socket on a host that has up to 16,000 of them.
func BenchmarkOpenSocket(b *testing.B) {
	b.ReportAllocs()
	inTest(b, func(t *testing.T) {
		for left := b.N; left > 0; left -= 16_000 {
			simtest.Config{KeepPools: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
				for range min(left, 16_000) {
					_, err := sim.Host("a").ListenPacket("udp", ":0")
					require.NoError(t, err)
				}
			})
		}
	})
}

// BenchmarkPiece measures moving ten bytes from one host to another, each 100 ms over a
// link of 5 ms, on 3 to 10,000 connections at once; "floor" does the same with net.Pipe
// and time.Sleep, without a network. Connecting is included, so move many: -benchtime
// 300000x. (In the bubble the benchmark's own clock would be simulated.)
func BenchmarkPiece(b *testing.B) {
	for _, conns := range []int{3, 100, 1000, 10000} {
		b.Run(fmt.Sprint(conns), func(b *testing.B) {
			b.ReportAllocs()
			inTest(b, func(t *testing.T) {
				simtest.Config{KeepPools: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
					sim.SetLink("server", "client", netem.Link{Latency: 5 * ms})
					listener, err := sim.Host("server").Listen("tcp", ":1")
					require.NoError(t, err)
					move(b, conns, func() (net.Conn, net.Conn) {
						client, err := sim.Host("client").DialContext(t.Context(), "tcp", "server:1")
						require.NoError(t, err)
						server, err := listener.Accept()
						require.NoError(t, err)
						return client, server
					})
				})
			})
		})
		b.Run(fmt.Sprint(conns, "/floor"), func(b *testing.B) {
			b.ReportAllocs()
			inTest(b, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { move(b, conns, net.Pipe) })
			})
		})
	}
}

// move moves b.N pieces over the given number of connections.
func move(b *testing.B, conns int, pair func() (net.Conn, net.Conn)) {
	var readers sync.WaitGroup
	start, piece := make(chan struct{}), []byte("ten bytes.")
	for range conns {
		reader, writer := pair()
		readers.Go(func() {
			_, _ = io.Copy(io.Discard, reader)
			_ = reader.Close()
		})
		go func() {
			<-start
			for range (b.N + conns - 1) / conns {
				_, _ = writer.Write(piece)
				time.Sleep(100 * ms)
			}
			_ = writer.Close()
		}()
	}
	close(start)
	readers.Wait()
}

// BenchmarkHTTP measures a request of net/http over 3G, and the ratio of simulated to
// real time.
func BenchmarkHTTP(b *testing.B) {
	const clients = 10
	profile, err := netem.ProfileByName("webpagetest/3g")
	require.NoError(b, err)
	page := make([]byte, 1000)
	var simulated time.Duration
	inTest(b, func(t *testing.T) {
		simtest.Config{KeepPools: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			listener, err := sim.Host("server").Listen("tcp", ":80")
			require.NoError(t, err)
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write(page)
			})}
			go func() { _ = server.Serve(listener) }()
			var browsing sync.WaitGroup
			for i := range clients {
				name := fmt.Sprint("client", i)
				sim.SetProfile(name, "server", profile)
				transport := &http.Transport{DialContext: sim.Host(name).DialContext}
				browsing.Go(func() {
					defer transport.CloseIdleConnections()
					for range (b.N + clients - 1) / clients {
						response, err := (&http.Client{Transport: transport}).Get("http://server/")
						if err != nil {
							t.Error(err)
							return
						}
						n, err := io.Copy(io.Discard, response.Body)
						assert.NoError(t, err)
						assert.EqualValues(t, len(page), n)
						_ = response.Body.Close()
					}
				})
			}
			browsing.Wait()
			simulated = sim.Elapsed()
			assert.NoError(t, server.Close())
		})
	})
	b.ReportMetric(simulated.Seconds()/b.Elapsed().Seconds(), "simulated-s/s")
}

// BenchmarkBulk measures the transfer of a mebibyte of bulk data from one host to
// another; "pipe" does the same with net.Pipe, without a network.
func BenchmarkBulk(b *testing.B) {
	const size = 1 << 20
	move := func(b *testing.B, reader, writer net.Conn) {
		go func() {
			chunk := make([]byte, 32<<10)
			for range b.N * size / len(chunk) {
				_, _ = writer.Write(chunk)
			}
			_ = writer.Close()
		}()
		n, err := io.Copy(io.Discard, reader)
		assert.NoError(b, err)
		assert.EqualValues(b, b.N*size, n)
		_ = reader.Close()
	}
	for _, tc := range []struct {
		name string
		link netem.Link
	}{
		{"no limits", netem.Link{}},
		{"1Gbps 20ms", netem.Link{Rate: netem.Gbps, Latency: 20 * ms}},
	} {
		b.Run(tc.name, func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			inTest(b, func(t *testing.T) {
				simtest.Config{Link: tc.link, KeepPools: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
					client, server := connected(t, sim)
					move(b, client, server)
				})
			})
		})
	}
	b.Run("pipe", func(b *testing.B) {
		b.SetBytes(size)
		b.ReportAllocs()
		inTest(b, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reader, writer := net.Pipe()
				move(b, reader, writer)
			})
		})
	})
}

package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/test/bufconn"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

const (
	web       = 100      // clients
	pageBytes = 1000     // 5 ms at 1.6 Mbit/s
	roundTrip = 300 * ms // the round-trip time of the profile
	threeG    = "webpagetest/3g"
)

// BenchmarkHTTP answers question 3: how much faster than real time does a real
// program run? 100 net/http clients get pages over a 3G profile. "loopback" is
// the usual way without a simulator: sockets, and a handler that sleeps for a
// round trip. "bufconn" is the floor: the same handler in a bubble, on connections that
// take no time and define no order.
func BenchmarkHTTP(b *testing.B) {
	all := quickOr(100, 10_000)
	b.Run(fmt.Sprintf("clients=%d", web), func(b *testing.B) {
		sideBySide(b,
			contender{"ours", func(b *testing.B) { httpOurs(b, all) }},
			contender{"bufconn", func(b *testing.B) { httpBufconn(b, all) }},
			contender{"loopback", func(b *testing.B) { httpLoopback(b, max(all/20, web)) }},
		)
	})
}

func httpOurs(b *testing.B, requests int) {
	profile, err := netem.ProfileByName(threeG)
	require.NoError(b, err)
	inTest(b, func(t *testing.T) {
		simtest.Config{KeepPools: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			listener, err := sim.Host("server").Listen("tcp", ":80")
			require.NoError(t, err)
			browse(b, t, requests, listener, 0, func(i int) dialFunc {
				name := fmt.Sprint("client", i)
				sim.SetProfile(name, "server", profile)
				return sim.Host(name).DialContext
			})
		})
	})
}

func httpBufconn(b *testing.B, requests int) {
	inTest(b, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			listener := bufconn.Listen(64 << 10)
			browse(b, t, requests, listener, roundTrip, func(int) dialFunc {
				return func(ctx context.Context, _, _ string) (net.Conn, error) { return listener.DialContext(ctx) }
			})
		})
	})
}

func httpLoopback(b *testing.B, requests int) {
	inTest(b, func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		browse(b, t, requests, listener, roundTrip, func(int) dialFunc {
			return func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, listener.Addr().String())
			}
		})
	})
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// browse makes clients get pages from a server whose handler sleeps first.
func browse(b *testing.B, t *testing.T, requests int, listener net.Listener, sleep time.Duration, dial func(i int) dialFunc) {
	page := make([]byte, pageBytes)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(sleep)
		_, _ = w.Write(page)
	})}
	served := make(chan error)
	go func() { served <- server.Serve(listener) }()

	watch, start := startWatch(), time.Now()
	var clients sync.WaitGroup
	for i := range web {
		transport := &http.Transport{DialContext: dial(i)}
		client := http.Client{Transport: transport}
		clients.Go(func() {
			defer transport.CloseIdleConnections()
			for range requests / web {
				response, err := client.Get("http://server/")
				if err != nil {
					t.Error(err)
					return
				}
				n, err := io.Copy(io.Discard, response.Body)
				if err != nil || n != pageBytes {
					t.Errorf("got %d bytes, %v", n, err)
				}
				_ = response.Body.Close()
			}
		})
	}
	clients.Wait()
	simulated, elapsed := time.Since(start), watch.elapsed()
	b.ReportMetric(simulated.Seconds()/elapsed.Seconds(), "simulated-s/s")
	b.ReportMetric(float64(elapsed)/1e3/float64(requests), "us/request")
	b.ReportMetric(0, "ns/op")
	require.NoError(t, server.Close())
	<-served
}

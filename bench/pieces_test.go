package bench

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"runtime/metrics"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/marcopolo/simnet"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

const (
	ms       = time.Millisecond
	interval = 100 * ms
)

// manyConns are the numbers of connections that move pieces.
var manyConns = []int{3, 100, 1000, 10000}

var tenBytes = []byte("ten bytes.")

// BenchmarkPieces answers question 1: what does it cost to move ten bytes every
// 100 ms over a link of 5 ms, on many connections at once?
//
// us/connect is the cost of making the connections, one after another; ns/piece is the
// cost of the moves after that, until the last connection is closed.
func BenchmarkPieces(b *testing.B) {
	for _, conns := range manyConns {
		b.Run(fmt.Sprintf("conns=%d", conns), func(b *testing.B) {
			all := max(conns, quickOr(3000, *pieces))
			few := max(conns, all/10)
			sideBySide(b,
				contender{"ours", func(b *testing.B) { inTest(b, piecesOurs(b, conns, all, *keep)) }},
				contender{"floor", func(b *testing.B) { inTest(b, piecesFloor(b, conns, all)) }},
				contender{"simnet", func(b *testing.B) { piecesSimnet(b, conns, few) }},
				contender{"mock", func(b *testing.B) { piecesMock(b, conns, quickOr(50, 1000)) }},
			)
		})
	}
}

// BenchmarkPiecesOnOneProcessor shows to what extent the floor is faster only because it
// uses several processors at once, and their caches.
func BenchmarkPiecesOnOneProcessor(b *testing.B) {
	for _, conns := range manyConns {
		b.Run(fmt.Sprintf("conns=%d", conns), func(b *testing.B) {
			all := max(conns, quickOr(3000, *pieces))
			sideBySide(b,
				contender{"ours", func(b *testing.B) { inTest(b, onOneProcessor(piecesOurs(b, conns, all, *keep))) }},
				contender{"floor", func(b *testing.B) { inTest(b, onOneProcessor(piecesFloor(b, conns, all))) }},
			)
		})
	}
}

func onOneProcessor(f func(t *testing.T)) func(t *testing.T) {
	return func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		f(t)
	}
}

func piecesOurs(b *testing.B, conns, all, keep int) func(t *testing.T) {
	return func(t *testing.T) {
		simtest.Config{KeepPools: true, KeepEvents: keep}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			sim.SetLink("server", "client", netem.Link{Latency: 5 * ms})
			sim.SetLink("client", "server", netem.Link{Latency: 5 * ms})
			listener, err := sim.Host("server").Listen("tcp", ":1")
			require.NoError(t, err)
			client := sim.Host("client")
			move(b, conns, all, func() (from, to net.Conn) {
				to, err := client.DialContext(t.Context(), "tcp", "server:1")
				require.NoError(t, err)
				from, err = listener.Accept()
				require.NoError(t, err)
				return from, to
			})
		})
	}
}

// piecesFloor moves the pieces without a network, through pipes.
func piecesFloor(b *testing.B, conns, all int) func(t *testing.T) {
	return func(t *testing.T) {
		synctest.Test(t, func(*testing.T) { move(b, conns, all, net.Pipe) })
	}
}

// move moves all pieces, distributed evenly among the connections, and reports
// the cost.
func move(b *testing.B, conns, all int, pair func() (from, to net.Conn)) {
	each := (all + conns - 1) / conns
	var readers sync.WaitGroup
	start := make(chan struct{})
	connecting := startWatch()
	for range conns {
		from, to := pair()
		readers.Go(func() {
			_, _ = io.Copy(io.Discard, to)
			_ = to.Close()
		})
		go func() {
			defer from.Close()
			<-start
			for range each {
				if _, err := from.Write(tenBytes); err != nil {
					b.Error(err)
					return
				}
				time.Sleep(interval)
			}
		}()
	}
	connected := connecting.elapsed()
	moving, switched := startWatch(), switches(b)
	close(start)
	readers.Wait()
	reportPieces(b, moving.elapsed(), each*conns)
	b.ReportMetric(float64(switches(b)-switched)/float64(each*conns), "switches/piece")
	b.ReportMetric(float64(connected)/1e3/float64(conns), "us/connect")
}

// switches estimates the number of times that the scheduler has started to run a goroutine.
func switches(b *testing.B) (n uint64) {
	sample := []metrics.Sample{{Name: "/sched/latencies:seconds"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindFloat64Histogram {
		b.Fatal("the runtime does not report how long goroutines wait to run")
	}
	for _, count := range sample[0].Value.Float64Histogram().Counts {
		n += count
	}
	const tracked = 8 // the runtime samples every eighth time
	return n * tracked
}

func reportPieces(b *testing.B, elapsed time.Duration, moved int) {
	b.ReportMetric(float64(elapsed)/float64(moved), "ns/piece")
	b.ReportMetric(0, "ns/op") // meaningless here
}

// piecesSimnet sends datagrams, as simnet has no streams.
func piecesSimnet(b *testing.B, conns, all int) {
	each := (all + conns - 1) / conns
	link := simnet.LinkSettings{BitsPerSecond: 100e9, FlowBucketCount: 1}
	both := simnet.NodeBiDiLinkSettings{Downlink: link, Uplink: link}
	inTest(b, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			network := &simnet.Simnet{LatencyFunc: simnet.StaticLatency(5 * ms)}
			network.Start()
			defer network.Close()
			var ends sync.WaitGroup
			start := make(chan struct{})
			connecting := startWatch()
			for i := range conns {
				address := &net.UDPAddr{IP: simnet.IntToPublicIPv4(2 * i), Port: 1}
				to := network.NewEndpoint(address, both)
				from := network.NewEndpoint(&net.UDPAddr{IP: simnet.IntToPublicIPv4(2*i + 1), Port: 1}, both)
				ends.Go(func() {
					buffer := make([]byte, 1500)
					for range each {
						if _, _, err := to.ReadFrom(buffer); err != nil {
							b.Error(err)
							return
						}
					}
					_ = to.Close()
				})
				ends.Go(func() {
					<-start
					for range each {
						_, _ = from.WriteTo(tenBytes, address)
						time.Sleep(interval)
					}
					_ = from.Close()
				})
			}
			synctest.Wait()
			connected := connecting.elapsed()
			moving := startWatch()
			close(start)
			ends.Wait()
			reportPieces(b, moving.elapsed(), each*conns)
			b.ReportMetric(float64(connected)/1e3/float64(conns), "us/connect")
		})
	})
}

// piecesMock uses neither a network nor a bubble: it advances a clock.Mock. A Mock takes a
// millisecond of real time for every timer, so only few pieces are moved. The connections
// move them in turn, as otherwise some of many connections would move none.
func piecesMock(b *testing.B, conns, all int) {
	mock := clock.NewMock()
	stop := make(chan struct{})
	received := make(chan struct{}, all)
	var goroutines sync.WaitGroup
	for i := range conns {
		from, to := net.Pipe()
		goroutines.Go(func() {
			buffer := make([]byte, 64)
			for {
				if _, err := to.Read(buffer); err != nil {
					return
				}
				select {
				case received <- struct{}{}:
				default: // enough pieces
				}
			}
		})
		timer := mock.Timer(interval * time.Duration(i) / time.Duration(conns))
		goroutines.Go(func() {
			defer from.Close()
			for {
				select {
				case <-stop:
					return
				case <-timer.C:
				}
				if _, err := from.Write(tenBytes); err != nil {
					b.Error(err)
					return
				}
				timer.Reset(interval)
			}
		})
	}
	moving := startWatch()
	for len(received) < all {
		mock.Add(interval / time.Duration(max(1, conns/all)))
	}
	reportPieces(b, moving.elapsed(), all)
	close(stop)
	goroutines.Wait()
}

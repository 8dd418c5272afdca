package bench

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marcopolo/simnet"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/benchmark/latency"
	"google.golang.org/grpc/test/bufconn"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// BenchmarkBulk answers question 2: how fast is bulk data transferred between
// two hosts in simulated time? MB/s is per second of real time;
// simulated-Mbit/s is the rate that the program under test sees.
func BenchmarkBulk(b *testing.B) {
	all := quickOr(16<<20, 1<<30)
	b.Run("link=none", func(b *testing.B) {
		sideBySide(b,
			contender{"ours", func(b *testing.B) { bulkOurs(b, all, 0, netem.Link{}) }},
			contender{"bufconn", func(b *testing.B) { bulkPair(b, all, bufconnPair) }},
			contender{"pipe", func(b *testing.B) { bulkPair(b, all, pipePair) }},
		)
	})
	b.Run("link=1Gbps,20ms", func(b *testing.B) {
		sideBySide(b,
			contender{"ours", func(b *testing.B) {
				bulkOurs(b, all, inFlight, netem.Link{Latency: 20 * ms, Rate: netem.Gbps})
			}},
			contender{"bufconn+latency", func(b *testing.B) { bulkPair(b, all, slowBufconnPair) }},
			contender{"simnet", func(b *testing.B) { bulkSimnet(b, all/16) }},
		)
	})
}

// chunk is the size of a write.
const chunk = 32 << 10

// inFlight is the maximum amount in flight on a connection over the slow link:
// the bandwidth-delay product is 5 MB.
const inFlight = 8 << 20

func bulkOurs(b *testing.B, total, window int, link netem.Link) {
	inTest(b, func(t *testing.T) {
		simtest.Config{Window: window, KeepPools: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			sim.SetLink("server", "client", link)
			sim.SetLink("client", "server", netem.Link{Latency: link.Latency})
			listener, err := sim.Host("server").Listen("tcp", ":1")
			require.NoError(t, err)
			to, err := sim.Host("client").DialContext(t.Context(), "tcp", "server:1")
			require.NoError(t, err)
			from, err := listener.Accept()
			require.NoError(t, err)
			bulk(b, t, total, from, to)
		})
	})
}

func bulkPair(b *testing.B, total int, pair func(t *testing.T) (from, to net.Conn)) {
	inTest(b, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			from, to := pair(t)
			bulk(b, t, total, from, to)
		})
	})
}

func pipePair(*testing.T) (from, to net.Conn) { return net.Pipe() }

func bufconnPair(t *testing.T) (from, to net.Conn) { return bufconnOf(t, 1<<20) }

func bufconnOf(t *testing.T, buffer int) (from, to net.Conn) {
	listener := bufconn.Listen(buffer)
	accepted := make(chan net.Conn)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- conn
	}()
	from, err := listener.Dial()
	require.NoError(t, err)
	return from, <-accepted
}

func slowBufconnPair(t *testing.T) (from, to net.Conn) {
	from, to = bufconnOf(t, inFlight)
	return withLatency(t, latency.Network{Kbps: 1_000_000 * 1000 / 1024, Latency: 20 * ms, MTU: 1500}, from, to)
}

// withLatency wraps both ends together, as gRPC's latency package requires.
func withLatency(t testing.TB, network latency.Network, a, b net.Conn) (from, to net.Conn) {
	wrapped := make(chan net.Conn)
	go func() {
		conn, err := network.Conn(b)
		if err != nil {
			t.Error(err)
		}
		wrapped <- conn
	}()
	from, err := network.Conn(a)
	require.NoError(t, err)
	return from, <-wrapped
}

// bulk transfers total bytes, reports the rate, and closes both ends.
func bulk(b *testing.B, t *testing.T, total int, from, to net.Conn) {
	watch, start := startWatch(), time.Now()
	go func() {
		defer from.Close()
		for buffer, left := make([]byte, chunk), total; left > 0; {
			n, err := from.Write(buffer[:min(left, chunk)])
			if err != nil {
				t.Error(err)
				return
			}
			left -= n
		}
	}()
	received := 0
	for buffer := make([]byte, chunk); ; {
		n, err := to.Read(buffer)
		received += n
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
	}
	reportBulk(b, watch, start, received)
	require.Equal(t, total, received)
	require.NoError(t, to.Close())
}

func reportBulk(b *testing.B, watch stopwatch, start time.Time, bytes int) {
	b.ReportMetric(float64(bytes)/1e6/watch.elapsed().Seconds(), "MB/s")
	if simulated := time.Since(start); simulated > 0 {
		b.ReportMetric(float64(bytes)*8/1e6/simulated.Seconds(), "simulated-Mbit/s")
	}
	b.ReportMetric(0, "ns/op")
}

// bulkSimnet sends datagrams, paced at the rate of the link, since the link's
// queue drops the excess.
func bulkSimnet(b *testing.B, total int) {
	const size = 1250 // 10 us at 1 Gbit/s
	link := simnet.LinkSettings{BitsPerSecond: 1e9}
	both := simnet.NodeBiDiLinkSettings{Downlink: link, Uplink: link}
	inTest(b, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			network := &simnet.Simnet{LatencyFunc: simnet.StaticLatency(20 * ms)}
			network.Start()
			defer network.Close()
			address := &net.UDPAddr{IP: simnet.IntToPublicIPv4(1), Port: 1}
			from := network.NewEndpoint(&net.UDPAddr{IP: simnet.IntToPublicIPv4(2), Port: 1}, both)
			to := network.NewEndpoint(address, both)
			sent := make(chan struct{})
			watch, start := startWatch(), time.Now()
			go func() {
				defer close(sent)
				packet := make([]byte, size)
				for range total / size {
					if _, err := from.WriteTo(packet, address); err != nil {
						t.Error(err)
						return
					}
					time.Sleep(10 * time.Microsecond)
				}
			}()
			buffer := make([]byte, 1500)
			for range total / size {
				if _, _, err := to.ReadFrom(buffer); err != nil {
					t.Error(err)
					break
				}
			}
			reportBulk(b, watch, start, total/size*size)
			<-sent
		})
	})
}

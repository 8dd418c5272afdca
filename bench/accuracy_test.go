package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/benchmark/latency"

	"github.com/slowpoetry/slowpoetry/slownet"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// BenchmarkRate answers the second half of question 4: how many bits per second
// arrive, relative to the configured rate? Each contender is configured in its
// own unit, with the nearest possible value. gRPC's wrapper also gets a latency: it
// sends ahead by this time, and without a latency it sleeps for every packet and
// reaches 2 % of 800 Mbit/s.
func BenchmarkRate(b *testing.B) {
	for _, rate := range []netem.Rate{56 * netem.Kbps, netem.Mbps, 10 * netem.Mbps, 100 * netem.Mbps, 800 * netem.Mbps} {
		b.Run("rate="+strings.TrimSuffix(rate.String(), "/s"), func(b *testing.B) {
			sideBySide(b,
				contender{"ours", func(b *testing.B) {
					from, to := ours(b, netem.Link{Rate: rate})
					measureRate(b, float64(rate), from, to)
				}},
				contender{"grpc", func(b *testing.B) {
					kbps := int(math.Round(float64(rate) / 1024)) // its kilobit is 1024 bits
					from, to := grpc(b, latency.Network{Kbps: kbps, Latency: 20 * ms, MTU: 1500})
					measureRate(b, float64(kbps)*1024, from, to)
				}},
				contender{"toxiproxy", func(b *testing.B) {
					kB := int64(rate) / 8000
					from, to := startToxiproxy(b).pair(b, "bandwidth", toxiproxy.Attributes{"rate": kB})
					measureRate(b, float64(kB)*8000, from, to)
				}},
			)
		})
	}
}

// ours wraps the sending end. Its stream is ideal, like the streams of the other
// contenders: TCP's headers would take 52 of each 1,500 bytes, and slow start would take
// time.
func ours(b *testing.B, link netem.Link) (from, to net.Conn) {
	from, to = loopback(b)
	return slownet.NewConn(from, slownet.Config{Write: link, TCP: netem.TCP{Congestion: netem.Unlimited}}), to
}

func grpc(b *testing.B, network latency.Network) (from, to net.Conn) {
	from, to = loopback(b)
	return withLatency(b, network, from, to)
}

// measureRate sends for about two seconds. The clock starts when the first
// bytes have arrived.
func measureRate(b *testing.B, asked float64, from, to net.Conn) {
	total := int(asked / 8 * 2)
	if testing.Short() {
		total /= 20
	}
	var sending sync.WaitGroup
	sending.Go(func() {
		defer from.Close()
		for buffer, left := make([]byte, 64<<10), total; left > 0; {
			n, err := from.Write(buffer[:min(left, len(buffer))])
			if err != nil {
				return // it was too slow
			}
			left -= n
		}
	})
	buffer := make([]byte, 64<<10)
	first, err := to.Read(buffer)
	require.NoError(b, err)
	start := time.Now()
	rest := 0
	for first+rest < total && time.Since(start) < 5*time.Second { // do not wait for a slow contender
		n, err := to.Read(buffer)
		require.NoError(b, err)
		rest += n
	}
	elapsed := time.Since(start)
	require.NoError(b, to.Close())
	sending.Wait()
	got := float64(rest) * 8 / elapsed.Seconds()
	b.ReportMetric(got/asked*100, "%-of-asked")
	b.ReportMetric(math.Abs(got/asked-1)*100, "%-off")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkLatency answers the rest of question 4: how much later than the configured
// latency do small messages arrive, in the median and at the 99th percentile?
func BenchmarkLatency(b *testing.B) {
	for _, asked := range []time.Duration{ms, 20 * ms, 200 * ms} {
		b.Run(fmt.Sprintf("latency=%v", asked), func(b *testing.B) {
			sideBySide(b,
				contender{"ours", func(b *testing.B) {
					from, to := ours(b, netem.Link{Latency: asked})
					measureLatency(b, asked, from, to)
				}},
				contender{"grpc", func(b *testing.B) {
					from, to := grpc(b, latency.Network{Latency: asked, MTU: 1500})
					measureLatency(b, asked, from, to)
				}},
				contender{"toxiproxy", func(b *testing.B) {
					from, to := startToxiproxy(b).pair(b, "latency", toxiproxy.Attributes{"latency": asked.Milliseconds()})
					measureLatency(b, asked, from, to)
				}},
				contender{"raw", func(b *testing.B) {
					from, to := loopback(b)
					measureLatency(b, 0, from, to)
				}},
			)
		})
	}
}

func measureLatency(b *testing.B, asked time.Duration, from, to net.Conn) {
	messages := quickOr(5, 200)
	origin := time.Now()
	var sending sync.WaitGroup
	sending.Go(func() {
		for range messages {
			var stamp [8]byte
			binary.BigEndian.PutUint64(stamp[:], uint64(time.Since(origin)))
			if _, err := from.Write(stamp[:]); err != nil {
				b.Error(err)
				return
			}
			time.Sleep(7 * ms)
		}
	})
	var late []time.Duration
	for range messages {
		var stamp [8]byte
		_, err := io.ReadFull(to, stamp[:])
		require.NoError(b, err)
		took := time.Since(origin) - time.Duration(binary.BigEndian.Uint64(stamp[:]))
		late = append(late, took-asked)
	}
	sending.Wait()
	require.NoError(b, errors.Join(from.Close(), to.Close()))
	for _, p := range []int{50, 99} {
		b.ReportMetric(float64(quantile(late, p))/1e6, fmt.Sprintf("p%d-ms-late", p))
	}
	b.ReportMetric(0, "ns/op")
}

package bench

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet"
)

// The first half of question 4: what does a link without effect cost? All
// contenders take very short turns, because the throughput of loopback changes
// from one moment to the next by more than the cost to be measured. %-of-raw is
// the median of the turns of one round. For the same reason raw and ours use the same
// connection, raw directly and ours through the wrappers.
//
// The previous turn makes a turn faster or slower by up to a tenth, so the order
// is shuffled every time. "again" shows whether this is enough: it repeats raw, so its
// difference from raw is the error of the measurement.
//
// gRPC's latency package is missing: its Network without limits returns the
// connection that it is given.

// A lane is a connection of a contender.
type lane struct {
	name     string
	from, to net.Conn
	times    []time.Duration
}

// openLanes returns a connection for each contender.
func openLanes(b *testing.B) []*lane {
	raw := &lane{name: "raw"}
	raw.from, raw.to = loopback(b)
	ours := &lane{name: "ours"}
	ours.from, ours.to = wrap(raw.from, raw.to)
	again := &lane{name: "again", from: raw.from, to: raw.to}
	proxied := &lane{name: "toxiproxy"}
	proxied.from, proxied.to = startToxiproxy(b).pair(b, "", nil)
	return []*lane{raw, ours, again, proxied}
}

// wrap wraps both ends with a link without limits.
func wrap(from, to net.Conn) (net.Conn, net.Conn) {
	return slownet.NewConn(from, slownet.Config{}), slownet.NewConn(to, slownet.Config{})
}

func loopback(t testing.TB) (from, to net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	to, err = net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	from, err = listener.Accept()
	require.NoError(t, err)
	return from, to
}

// inTurns runs an action on each lane many times, and records its durations.
func inTurns(turns int, lanes []*lane, do func(l *lane) time.Duration) {
	order := slices.Clone(lanes)
	random := rand.New(rand.NewPCG(uint64(*round), 0))
	for range turns {
		random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, l := range order {
			l.times = append(l.times, do(l))
		}
	}
}

// reportLanes reports the durations of the turns.
func reportLanes(b *testing.B, lanes []*lane, report func(b *testing.B, turn time.Duration)) {
	for _, l := range lanes {
		b.Run("by="+l.name, func(b *testing.B) {
			report(b, median(l.times))
			shares := make([]float64, len(l.times))
			for i, t := range l.times {
				shares[i] = float64(lanes[0].times[i]) / float64(t) * 100
			}
			slices.Sort(shares)
			b.ReportMetric(shares[len(shares)/2], "%-of-raw")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func BenchmarkZeroLink(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("write=%dKiB", size>>10), func(b *testing.B) { benchmarkThroughput(b, size) })
	}
	b.Run("ping-pong=64B", benchmarkPingPong)
	b.Run("copy=64KiB", benchmarkCopy)
}

// benchmarkThroughput measures the time until the last byte has arrived.
func benchmarkThroughput(b *testing.B, size int) {
	const turn = 4 << 20
	lanes := openLanes(b)
	readers, arrived := make(chan net.Conn), make(chan error)
	go func() {
		buffer := make([]byte, 64<<10)
		for conn := range readers {
			var err error
			for left := turn; left > 0 && err == nil; {
				var n int
				n, err = conn.Read(buffer)
				left -= n
			}
			arrived <- err
		}
	}()
	buffer := make([]byte, size)
	inTurns(quickOr(2, 400), lanes, func(l *lane) time.Duration {
		start := time.Now()
		readers <- l.to
		for range turn / size {
			if _, err := l.from.Write(buffer); err != nil {
				b.Fatal(err)
			}
		}
		require.NoError(b, <-arrived)
		return time.Since(start)
	})
	close(readers)
	closeLanes(lanes)
	reportLanes(b, lanes, func(b *testing.B, t time.Duration) { b.ReportMetric(turn/1e6/t.Seconds(), "MB/s") })
}

func closeLanes(lanes []*lane) {
	for _, l := range lanes {
		_ = l.from.Close()
		_ = l.to.Close()
	}
}

func benchmarkPingPong(b *testing.B) {
	const turn = 100
	lanes := openLanes(b)
	echoes := make(chan net.Conn)
	go func() {
		buffer := make([]byte, 64)
		for conn := range echoes {
			for range turn {
				if _, err := io.ReadFull(conn, buffer); err != nil {
					b.Error(err)
				}
				if _, err := conn.Write(buffer); err != nil {
					b.Error(err)
				}
			}
		}
	}()
	buffer := make([]byte, 64)
	inTurns(quickOr(2, 400), lanes, func(l *lane) time.Duration {
		echoes <- l.to
		start := time.Now()
		for range turn {
			if _, err := l.from.Write(buffer); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(l.from, buffer); err != nil {
				b.Fatal(err)
			}
		}
		return time.Since(start)
	})
	close(echoes)
	closeLanes(lanes)
	reportLanes(b, lanes, func(b *testing.B, t time.Duration) { b.ReportMetric(float64(t)/1e3/turn, "us/round-trip") })
}

// benchmarkCopy passes data on from one connection to another with io.Copy, as a proxy
// does. Toxiproxy does this itself.
func benchmarkCopy(b *testing.B) {
	total := quickOr(4<<20, 32<<20)
	lanes := []*lane{{name: "raw"}, {name: "ours"}, {name: "again"}, {name: "toxiproxy"}}
	inTurns(quickOr(1, 200), lanes, func(l *lane) time.Duration {
		if l.name == "toxiproxy" {
			first, last := startToxiproxy(b).pair(b, "", nil)
			return sendThrough(b, total, first, last)
		}
		first, source := loopback(b)
		destination, last := loopback(b)
		if l.name == "ours" {
			source, destination = wrap(source, destination)
		}
		go func() {
			_, _ = io.Copy(destination, source)
			_ = destination.Close()
			_ = source.Close()
		}()
		return sendThrough(b, total, first, last)
	})
	reportLanes(b, lanes, func(b *testing.B, t time.Duration) { b.ReportMetric(float64(total)/1e6/t.Seconds(), "MB/s") })
}

// sendThrough sends total bytes, and returns the time until all have arrived.
func sendThrough(b *testing.B, total int, first, last net.Conn) time.Duration {
	start := time.Now()
	go func() {
		for buffer, left := make([]byte, 64<<10), total; left > 0; left -= len(buffer) {
			if _, err := first.Write(buffer); err != nil {
				b.Error(err)
				return
			}
		}
		_ = first.Close()
	}()
	n, err := io.Copy(io.Discard, struct{ io.Reader }{last})
	elapsed := time.Since(start)
	require.NoError(b, err)
	require.Equal(b, int64(total), n)
	_ = last.Close()
	return elapsed
}

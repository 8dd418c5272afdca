package slownet_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// These benchmarks measure accuracy and cost on real loopback sockets. Their
// results are in the metrics, and not in ns/op.

// loopback returns the two ends of a TCP connection, the first of which may be
// wrapped.
func loopback(b *testing.B, config *slownet.Config) (near, far net.Conn) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer listener.Close()
	near, err = net.Dial("tcp", listener.Addr().String())
	require.NoError(b, err)
	far, err = listener.Accept()
	require.NoError(b, err)
	if config != nil {
		near = slownet.NewConn(near, *config)
	}
	return near, far
}

// shape puts a link at the writing or at the reading end.
func shape(b *testing.B, direction slownet.Direction, link netem.Link) (from, to net.Conn) {
	if direction == slownet.Write {
		return loopback(b, &slownet.Config{Write: link})
	}
	to, from = loopback(b, &slownet.Config{Read: link})
	return from, to
}

var directions = []slownet.Direction{slownet.Write, slownet.Read}

// The rate that arrives, as a share of the configured rate.
func BenchmarkRate(b *testing.B) {
	for _, direction := range directions {
		for _, rate := range []netem.Rate{56 * netem.Kbps, netem.Mbps, 10 * netem.Mbps, 100 * netem.Mbps, netem.Gbps} {
			b.Run(fmt.Sprintf("%v/%v", direction, rate), func(b *testing.B) {
				for b.Loop() {
					got := measureRate(b, direction, rate)
					b.ReportMetric(got/float64(rate)*100, "%-of-asked")
					b.ReportMetric(got/1000, "kbit/s")
				}
			})
		}
	}
}

// measureRate sends for about three seconds.
func measureRate(b *testing.B, direction slownet.Direction, rate netem.Rate) (got float64) {
	from, to := shape(b, direction, netem.Link{Rate: rate})
	defer to.Close()
	total := int64(rate) / 8 * 3
	var sending sync.WaitGroup
	sending.Go(func() {
		defer from.Close()
		buffer := make([]byte, 64<<10)
		for left := total; left > 0; {
			n, err := from.Write(buffer[:min(left, int64(len(buffer)))])
			if err != nil {
				b.Error(err)
				return
			}
			left -= int64(n)
		}
	})
	// The clock starts when the first bytes are there.
	first, err := to.Read(make([]byte, 64<<10))
	require.NoError(b, err)
	start := time.Now()
	rest, err := io.Copy(io.Discard, struct{ io.Reader }{to})
	elapsed := time.Since(start)
	require.NoError(b, err)
	require.Equal(b, total, int64(first)+rest)
	sending.Wait()
	return float64(rest) * 8 / elapsed.Seconds()
}

// The delay of small messages beyond the raw connection's, as a share of the
// configured latency.
func BenchmarkLatency(b *testing.B) {
	for _, direction := range directions {
		for _, latency := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 200 * time.Millisecond} {
			b.Run(fmt.Sprintf("%v/%v", direction, latency), func(b *testing.B) {
				for b.Loop() {
					raw := measureLatency(b, direction, netem.Link{})
					got := measureLatency(b, direction, netem.Link{Latency: latency})
					for _, p := range []int{50, 99} {
						added := got[len(got)*p/100] - raw[len(raw)*p/100]
						b.ReportMetric(float64(added)/1e6, fmt.Sprintf("p%d-ms-added", p))
					}
				}
			})
		}
	}
}

// measureLatency returns the sorted times that messages took.
func measureLatency(b *testing.B, direction slownet.Direction, link netem.Link) (all []time.Duration) {
	from, to := shape(b, direction, link)
	defer to.Close()
	origin := time.Now()
	var sending sync.WaitGroup
	sending.Go(func() {
		defer from.Close()
		for range 300 {
			var stamp [8]byte
			binary.BigEndian.PutUint64(stamp[:], uint64(time.Since(origin)))
			if _, err := from.Write(stamp[:]); err != nil {
				b.Error(err)
				return
			}
			time.Sleep(7 * time.Millisecond)
		}
	})
	for {
		var stamp [8]byte
		_, err := io.ReadFull(to, stamp[:])
		if err == io.EOF {
			break
		}
		require.NoError(b, err)
		all = append(all, time.Since(origin)-time.Duration(binary.BigEndian.Uint64(stamp[:])))
	}
	sending.Wait()
	slices.Sort(all)
	return all
}

// The cost of a write past a link without limits.
func BenchmarkWrite(b *testing.B) {
	for _, size := range []int{64, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			near, far := loopback(b, &slownet.Config{})
			var reading sync.WaitGroup
			reading.Go(func() { _, _ = io.Copy(io.Discard, struct{ io.Reader }{far}) })
			buffer := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := near.Write(buffer); err != nil {
					b.Fatal(err)
				}
			}
			require.NoError(b, near.Close())
			reading.Wait()
			require.NoError(b, far.Close())
		})
	}
}

// The share of the raw connection's throughput that a link without limits
// keeps. The same connection is written to through the wrapper and directly, in
// turns, so that both meet the same reader.
func BenchmarkThroughput(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("write/%dKiB", size>>10), func(b *testing.B) {
			near, far := loopback(b, &slownet.Config{})
			var reading sync.WaitGroup
			reading.Go(func() { _, _ = io.Copy(io.Discard, struct{ io.Reader }{far}) })
			conns := [2]net.Conn{near.(*slownet.Conn).NetConn(), near}
			buffer := make([]byte, size)
			var times [2][]time.Duration
			for b.Loop() {
				for turn := range 400 {
					which := turn / 2 % 2 // each is first and second in turn
					if turn%2 == 1 {
						which = 1 - which
					}
					start := time.Now()
					for range 4 << 20 / size {
						if _, err := conns[which].Write(buffer); err != nil {
							b.Fatal(err)
						}
					}
					times[which] = append(times[which], time.Since(start))
				}
			}
			b.ReportMetric(median(times[0]).Seconds()/median(times[1]).Seconds()*100, "%-of-raw")
			require.NoError(b, near.Close())
			reading.Wait()
			require.NoError(b, far.Close())
		})
	}
	b.Run("copy", func(b *testing.B) {
		var times [2][]time.Duration
		for b.Loop() {
			for range 20 {
				for _, which := range []int{0, 1, 1, 0} { // the order may matter
					times[which] = append(times[which], measureCopy(b, which == 1))
				}
			}
		}
		b.ReportMetric(median(times[0]).Seconds()/median(times[1]).Seconds()*100, "%-of-raw")
	})
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// measureCopy returns the time that io.Copy takes from one connection to another.
func measureCopy(b *testing.B, wrapped bool) time.Duration {
	const total = 256 << 20
	source, first := loopback(b, configIf(wrapped))
	destination, last := loopback(b, configIf(wrapped))
	start := time.Now()
	go func() {
		defer first.Close()
		for buffer, left := make([]byte, 64<<10), total; left > 0; left -= len(buffer) {
			if _, err := first.Write(buffer); err != nil {
				b.Error(err)
				return
			}
		}
	}()
	go func() {
		defer source.Close()
		defer destination.Close()
		if _, err := io.Copy(destination, source); err != nil {
			b.Error(err)
		}
	}()
	n, err := io.Copy(io.Discard, struct{ io.Reader }{last})
	elapsed := time.Since(start)
	require.NoError(b, err)
	require.Equal(b, int64(total), n)
	require.NoError(b, last.Close())
	return elapsed
}

func configIf(wrapped bool) *slownet.Config {
	if wrapped {
		return &slownet.Config{}
	}
	return nil
}

// The cost of an idle connection on top of the raw one.
func BenchmarkIdle(b *testing.B) {
	for name, link := range map[string]netem.Link{"zero": {}, "shaped": {Latency: time.Millisecond, Rate: netem.Mbps}} {
		b.Run(name, func(b *testing.B) {
			const n = 1000
			for b.Loop() {
				raw := make([]net.Conn, n)
				for i := range raw {
					raw[i], _ = net.Pipe()
				}
				wrapped := make([]net.Conn, n)
				memory, goroutines := inUse()
				for i := range wrapped {
					conn := slownet.NewConn(raw[i], slownet.Config{Read: link, Write: link})
					wrapped[i] = conn
				}
				moreMemory, moreGoroutines := inUse()
				b.ReportMetric(float64(moreMemory-memory)/n, "B/conn")
				b.ReportMetric(float64(moreGoroutines-goroutines)/n, "goroutines/conn")
				runtime.KeepAlive(wrapped)
				for _, conn := range wrapped {
					require.NoError(b, conn.Close())
				}
			}
		})
	}
}

// inUse returns the bytes on the heap and the number of goroutines.
func inUse() (memory int64, goroutines int) {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc), runtime.NumGoroutine()
}

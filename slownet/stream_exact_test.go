package slownet

import (
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A write is a Write of some bytes at the given time.
type write struct {
	at    time.Duration
	bytes int
}

// The arrivals over each link. They are the same for written and for received bytes.
var exactly = []struct {
	name   string
	link   netem.Link
	writes []write
	want   []arrival // of an ideal stream; the last one is its end
	tcp    []arrival // where TCP's differ: 52 bytes of headers for 1,448 of payload
}{
	{"nothing takes no time", netem.Link{},
		[]write{{0, 10}, {3 * ms, 10}},
		[]arrival{{10, 0}, {10, 3 * ms}, {0, 3 * ms}}, nil},
	{"latency: 3 + 50 ms", netem.Link{Latency: 50 * ms},
		[]write{{3 * ms, 10}},
		[]arrival{{10, 53 * ms}, {0, 53 * ms}}, nil},
	{"latency overlaps: what is written 1 ms later arrives 1 ms later", netem.Link{Latency: 50 * ms},
		[]write{{0, 10}, {1 * ms, 20}, {2 * ms, 30}},
		[]arrival{{10, 50 * ms}, {20, 51 * ms}, {30, 52 * ms}, {0, 52 * ms}}, nil},
	{"rate: 1,500 bytes are 12,000 bits, 12 ms at 1 Mbit/s; the last 1,000 are 8 ms", netem.Link{Rate: netem.Mbps},
		[]write{{0, 4000}},
		[]arrival{{1500, 12 * ms}, {1500, 24 * ms}, {1000, 32 * ms}, {0, 32 * ms}},
		[]arrival{{1448, 12 * ms}, {1448, 24 * ms}, {1104, 33_248 * us}, {0, 33_664 * us}}},
	{"rate: small packets, 1,000 bits each, of 100 ms at 10 kbit/s", netem.Link{Rate: 10 * netem.Kbps, MTU: 125},
		[]write{{0, 250}, {time.Second, 125}},
		[]arrival{{125, 100 * ms}, {125, 200 * ms}, {125, 1100 * ms}, {0, 1100 * ms}},
		[]arrival{{73, 100 * ms}, {73, 200 * ms}, {73, 300 * ms}, {31, 366_400 * us},
			{73, 1100 * ms}, {52, 1_183_200 * us}, {0, 1_224_800 * us}}},
	{"rate and latency: 12 + 5, 24 + 5 and 32 + 5 ms", netem.Link{Rate: netem.Mbps, Latency: 5 * ms},
		[]write{{0, 4000}},
		[]arrival{{1500, 17 * ms}, {1500, 29 * ms}, {1000, 37 * ms}, {0, 37 * ms}},
		[]arrival{{1448, 17 * ms}, {1448, 29 * ms}, {1104, 38_248 * us}, {0, 38_664 * us}}},
	{"pace: 25 bytes are 10, 10 and 5, and a wait", netem.Link{Pace: netem.Pace{Bytes: 10, Wait: 100 * ms}},
		[]write{{0, 25}},
		[]arrival{{10, 0}, {10, 100 * ms}, {5, 200 * ms}, {0, 300 * ms}}, nil},
	{"pace and latency: all of that 7 ms later", netem.Link{Pace: netem.Pace{Bytes: 10, Wait: 100 * ms}, Latency: 7 * ms},
		[]write{{0, 25}},
		[]arrival{{10, 7 * ms}, {10, 107 * ms}, {5, 207 * ms}, {0, 307 * ms}}, nil},
	{"pace and rate: 500 bytes take 4 ms, then come 10 ms", netem.Link{Pace: netem.Pace{Bytes: 500, Wait: 10 * ms}, Rate: netem.Mbps},
		[]write{{0, 1000}},
		[]arrival{{500, 4 * ms}, {500, 18 * ms}, {0, 28 * ms}},
		[]arrival{{500, 4_416 * us}, {500, 14_416 * us}, {0, 20_416 * us}}},
	{"pace, rate and latency: 4 + 3, then 10 + 4 ms later", netem.Link{Pace: netem.Pace{Bytes: 500, Wait: 10 * ms}, Rate: netem.Mbps, Latency: 3 * ms},
		[]write{{0, 1000}},
		[]arrival{{500, 7 * ms}, {500, 21 * ms}, {0, 31 * ms}},
		[]arrival{{500, 7_416 * us}, {500, 17_416 * us}, {0, 23_416 * us}}},
	{"queue: the writer goes on, the bytes take the same time", netem.Link{Rate: netem.Mbps, Queue: netem.Queue{Bytes: 1 << 20}},
		[]write{{0, 1500}, {0, 1500}, {0, 1000}},
		[]arrival{{1500, 12 * ms}, {1500, 24 * ms}, {1000, 32 * ms}, {0, 32 * ms}},
		[]arrival{{1448, 12 * ms}, {52, 12_832 * us}, {1448, 24_832 * us}, {52, 25_664 * us}, {1000, 34_080 * us}, {0, 34_496 * us}}},
	{"queue: what is written after a pause takes as long", netem.Link{Rate: netem.Mbps, Queue: netem.Queue{Bytes: 1 << 20}},
		[]write{{0, 1500}, {50 * ms, 1500}},
		[]arrival{{1500, 12 * ms}, {1500, 62 * ms}, {0, 62 * ms}},
		[]arrival{{1448, 12 * ms}, {52, 12_832 * us}, {1448, 62 * ms}, {52, 62_832 * us}, {0, 63_248 * us}}},
	{"queue and latency: the queue goes on while bytes are on their way", netem.Link{Rate: netem.Mbps, Queue: netem.Queue{Bytes: 1 << 20}, Latency: time.Second},
		[]write{{0, 1500}, {500 * ms, 1500}, {2 * time.Second, 1500}},
		[]arrival{{1500, 1012 * ms}, {1500, 1512 * ms}, {1500, 3012 * ms}, {0, 3012 * ms}},
		[]arrival{{1448, 1012 * ms}, {52, 1_012_832 * us}, {1448, 1512 * ms}, {52, 1_512_832 * us},
			{1448, 3012 * ms}, {52, 3_012_832 * us}, {0, 3_013_248 * us}}},
	{"replay: 1,500 bytes at 2 and at 5 ms, and again in the next 5", netem.Link{Replay: mustParseReplay("2\n5\n")},
		[]write{{0, 4000}},
		[]arrival{{1500, 2 * ms}, {1500, 5 * ms}, {1000, 7 * ms}, {0, 7 * ms}},
		[]arrival{{1448, 2 * ms}, {1448, 5 * ms}, {1104, 7 * ms}, {0, 7 * ms}}},
	{"replay and latency: what is not used at 2 is lost; at 5 + 1 comes the next", netem.Link{Replay: mustParseReplay("2\n5\n"), Latency: ms},
		[]write{{3 * ms, 100}},
		[]arrival{{100, 6 * ms}, {0, 6 * ms}}, nil},
}

// Arrivals are exact, in both directions, on ideal streams and over TCP.
func TestExactly(t *testing.T) {
	for _, scenario := range exactly {
		for _, tcp := range streams {
			want := scenario.want
			if tcp.Congestion != netem.Unlimited && scenario.tcp != nil {
				want = scenario.tcp
			}
			t.Run(tcp.Congestion.String()+"/write/"+scenario.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					near, far := net.Pipe()
					conn := NewConn(near, Config{Write: scenario.link, TCP: tcp})
					arrivals := readAll(far)
					writeAll(t, conn, scenario.writes)
					assert.Equal(t, want, <-arrivals)
				})
			})
			t.Run(tcp.Congestion.String()+"/read/"+scenario.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					near, far := net.Pipe()
					conn := NewConn(far, Config{Read: scenario.link, TCP: tcp})
					arrivals := readAll(conn)
					writeAll(t, near, scenario.writes)
					assert.Equal(t, want, <-arrivals)
					require.NoError(t, conn.Close())
				})
			})
		}
	}
}

// writeAll makes each write at its time, and closes the connection.
func writeAll(t *testing.T, conn net.Conn, writes []write) {
	start := time.Now()
	for _, w := range writes {
		time.Sleep(time.Until(start.Add(w.at)))
		_, err := conn.Write(make([]byte, w.bytes))
		require.NoError(t, err)
	}
	require.NoError(t, conn.Close())
}

// readAll reads until the end of the stream, in the background.
func readAll(conn net.Conn) <-chan []arrival {
	start, arrivals := time.Now(), make(chan []arrival, 1)
	go func() {
		var all []arrival
		for buffer, err := make([]byte, 1<<20), error(nil); err == nil; {
			var n int
			n, err = conn.Read(buffer)
			all = append(all, arrival{n, time.Since(start)})
			if err != nil && !errors.Is(err, io.EOF) {
				all = append(all, arrival{-1, 0})
			}
		}
		arrivals <- all
	}()
	return arrivals
}

// A hundred pieces of 1 KiB over 50 ms arrive within 50 ms of their writing,
// and not after 5 s.
func TestLatencyOverlapsWhenReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		conn := NewConn(far, ideal(Config{Read: netem.Link{Latency: 50 * ms}}))
		start := time.Now()
		go func() {
			for range 100 {
				_, _ = near.Write(make([]byte, 1024))
			}
		}()
		_, err := io.ReadFull(conn, make([]byte, 100<<10))
		require.NoError(t, err)
		assert.Equal(t, 50*ms, time.Since(start))
		require.NoError(t, conn.Close())
		require.NoError(t, near.Close())
	})
}

// A round trip takes the latencies of both directions, whichever end is
// wrapped.
func TestBothDirections(t *testing.T) {
	config := Config{Read: netem.Link{Latency: 30 * ms}, Write: netem.Link{Latency: 20 * ms}}
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		conn := NewConn(near, config)
		go func() { _, _ = io.Copy(far, far) }()
		start := time.Now()
		for i := range 3 {
			_, err := conn.Write([]byte("ping"))
			require.NoError(t, err)
			_, err = io.ReadFull(conn, make([]byte, 4))
			require.NoError(t, err)
			assert.Equal(t, time.Duration(i+1)*50*ms, time.Since(start))
		}
		require.NoError(t, conn.Close())
		require.NoError(t, far.Close())
	})
}

// A lost packet of an ideal stream is retransmitted. Later bytes wait for it, and all of
// them arrive in order.
func TestLossCostsARetransmission(t *testing.T) {
	for _, scenario := range []struct {
		name   string
		sent   []int // transmissions of each packet
		writes []write
		want   []arrival
	}{
		{"the first, sent by 12 ms: the third after it is there at 60 ms, and then it takes 12 ms again",
			[]int{2, 1, 1, 1}, []write{{0, 6000}}, []arrival{{6000, 72 * ms}, {0, 72 * ms}}},
		{"the first, and the third after it is written at 500 ms",
			[]int{2, 1, 1, 1}, []write{{0, 4500}, {500 * ms, 1500}}, []arrival{{6000, 524 * ms}, {0, 524 * ms}}},
		{"the first, and too few follow: nothing was measured, so after 1 s it takes 12 ms again",
			[]int{2, 1, 1}, []write{{0, 4500}}, []arrival{{4500, 1024 * ms}, {0, 1024 * ms}}},
		{"the first, and the third after it is written too late",
			[]int{2, 1, 1, 1}, []write{{0, 4500}, {1100 * ms, 1500}}, []arrival{{4500, 1024 * ms}, {1500, 1112 * ms}, {0, 1112 * ms}}},
		{"the second, sent by 24 ms: the round trip was 12 ms, so after the minimum of 200 ms it takes 12 ms again",
			[]int{1, 2, 1, 1}, []write{{0, 6000}}, []arrival{{1500, 12 * ms}, {4500, 236 * ms}, {0, 236 * ms}}},
		{"the second, twice: 200 + 12, and 400 + 12",
			[]int{1, 3, 1, 1}, []write{{0, 6000}}, []arrival{{1500, 12 * ms}, {4500, 648 * ms}, {0, 648 * ms}}},
	} {
		link := netem.Link{Rate: netem.Mbps, Loss: netem.Loss{Random: 0.3}}
		t.Run("write/"+scenario.name, func(t *testing.T) {
			seed := seedThatSends(link, Write, scenario.sent)
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				conn := NewConn(near, ideal(Config{Write: link, Seed: seed}))
				arrivals := readAll(far)
				writeAll(t, conn, scenario.writes)
				assert.Equal(t, scenario.want, <-arrivals)
			})
		})
		t.Run("read/"+scenario.name, func(t *testing.T) {
			seed := seedThatSends(link, Read, scenario.sent)
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				conn := NewConn(far, ideal(Config{Read: link, Seed: seed}))
				arrivals := readAll(conn)
				writeAll(t, near, scenario.writes)
				assert.Equal(t, scenario.want, <-arrivals)
				require.NoError(t, conn.Close())
			})
		})
	}
}

// seedThatSends returns a connection's seed with which each packet is sent the
// given number of times.
func seedThatSends(link netem.Link, direction Direction, want []int) (seed uint64) {
	for ; ; seed++ {
		var sent []int
		var flow netem.Flow
		flow.Init(netem.NewLine(link, deriveSeed(seed, uint64(direction))), deriveSeed(seed, uint64(direction)))
		for range want {
			sent = append(sent, flow.Send(0, 1500).Sent)
		}
		if slices.Equal(want, sent) {
			return seed
		}
	}
}

package slownet

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// takesOverTCP returns the times that n bytes take over TCP, by direction: when they are
// read from a connection, and when they are written to it.
func takesOverTCP(t *testing.T, n int, there, back netem.Link) (took [2]time.Duration) {
	for direction, config := range []Config{Write: {Write: there, Read: back}, Read: {Write: back, Read: there}} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			conn := NewConn(near, config)
			from, to := net.Conn(conn), far
			if Direction(direction) == Read {
				from, to = far, conn
			}
			go func() {
				_, err := from.Write(make([]byte, n))
				assert.NoError(t, err)
			}()
			_, err := io.ReadFull(to, make([]byte, n))
			require.NoError(t, err)
			took[direction] = time.Since(bubbleStart)
			require.NoError(t, conn.SetLinger(0))
			require.NoError(t, conn.Close())
			require.NoError(t, far.Close())
		})
	}
	return took
}

// A stream is as fast as slow start permits: it starts with ten segments, and their
// number doubles each round trip. A link without a rate adds only its latency.
func TestStreamsStartSlowly(t *testing.T) {
	link := netem.Link{Latency: 50 * ms}
	for _, c := range []struct {
		segments int
		want     time.Duration
	}{
		{1, 50 * ms},
		{10, 50 * ms},
		{11, 150 * ms},
		{30, 150 * ms},
		{70, 250 * ms},
	} {
		assert.Equal(t, [2]time.Duration{c.want, c.want}, takesOverTCP(t, c.segments*netem.MSS, link, link), c)
	}
}

// Over a link with a rate a stream needs 52 bytes of headers for each 1,448, and
// about a round trip until it fills the link.
func TestStreamsPayForTheirHeaders(t *testing.T) {
	const n = 10_000 * netem.MSS
	for direction, took := range takesOverTCP(t, n, netem.Link{Rate: 120 * netem.Mbps, Latency: ms}, netem.Link{Latency: ms}) {
		assert.InDelta(t, time.Second, took, float64(10*ms), Direction(direction))
	}
}

// A request and its answer take one round trip each time, as they fit into a window.
func TestPingPongOverTCP(t *testing.T) {
	overPipe(t, overTCP(bothWays(netem.Link{Latency: 20 * ms})), func(t *testing.T, conn *Conn, far net.Conn) {
		go func() { _, _ = io.Copy(far, far) }()
		for i := range 5 {
			_, err := conn.Write(make([]byte, 1000))
			require.NoError(t, err)
			_, err = io.ReadFull(conn, make([]byte, 1000))
			require.NoError(t, err)
			assert.Equal(t, time.Duration(i+1)*40*ms, time.Since(bubbleStart))
		}
	})
}

// Whatever happens to the segments, all bytes arrive once and in order, and then the
// end of the stream.
func TestNoByteIsLostOverTCP(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 0))
		link := talkLink(random)
		link.Pace, link.Loss = netem.Pace{}, netem.Loss{Random: 0.05}
		link.Queue.Discipline = netem.Discipline(random.IntN(3))
		want := text(0, 1+random.IntN(200_000))
		for _, config := range []Config{{Write: link, Seed: seed}, {Read: link, Seed: seed}} {
			overPipe(t, overTCP(config), func(t *testing.T, conn *Conn, far net.Conn) {
				from, to := net.Conn(conn), far
				if config.Write == (netem.Link{}) {
					from, to = far, conn
				}
				go func() {
					for left := want; len(left) > 0; {
						n := min(len(left), 1+random.IntN(20_000))
						_, err := from.Write(left[:n])
						assert.NoError(t, err)
						left = left[n:]
					}
					assert.NoError(t, from.Close())
				}()
				got, err := io.ReadAll(to)
				require.NoError(t, err, seed)
				require.True(t, bytes.Equal(want, got), "seed %d: %d bytes of %d", seed, len(got), len(want))
			})
		}
	}
}

// A writer is limited by the send buffer, which is larger than the data in flight,
// and by a reader that does not read.
func TestSendBufferBoundsAWriter(t *testing.T) {
	overPipe(t, overTCP(Config{Write: netem.Link{Latency: 10 * ms}, TCP: netem.TCP{Window: 20_000}}), func(t *testing.T, conn *Conn, far net.Conn) {
		require.NoError(t, conn.SetWriteDeadline(time.Now().Add(time.Second)))
		n, err := conn.Write(make([]byte, 1<<20))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.GreaterOrEqual(t, n, 40_000, "both buffers are full")
		assert.Less(t, n, 40_000+2*chunk)
		require.NoError(t, conn.SetLinger(0))
	})
}

// TCP gives up when nothing is acknowledged for a quarter of an hour.
func TestTCPGivesUp(t *testing.T) {
	dead := netem.Link{Latency: ms, Loss: netem.Loss{Random: 1}}
	overPipe(t, overTCP(Config{Write: dead}), func(t *testing.T, conn *Conn, _ net.Conn) {
		_, err := conn.Write([]byte("x"))
		require.NoError(t, err)
		_, err = conn.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ETIMEDOUT)
		assert.InDelta(t, 15*time.Minute, time.Since(bubbleStart), float64(2*time.Minute))
	})
}

// Links that are changed, also from and to no limits, lose nothing.
func TestSetLinksOverTCP(t *testing.T) {
	overPipe(t, overTCP(bothWays(netem.Link{Latency: 50 * ms})), func(t *testing.T, conn *Conn, far net.Conn) {
		want := text(0, 2_000_000)
		go func() {
			_, err := conn.Write(want)
			assert.NoError(t, err)
		}()
		go func() {
			for i := range 20 {
				time.Sleep(20 * ms)
				link := netem.Link{Latency: time.Duration(i%4) * 20 * ms}
				conn.SetLinks(link, link)
			}
		}()
		var got bytes.Buffer
		_, err := io.CopyN(&got, far, int64(len(want)))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(want, got.Bytes()))
		time.Sleep(time.Minute)
	})
}

// A connection that was idle is like a new connection: nothing is unacknowledged, and
// it begins with slow start.
func TestIdleConnectionsOverTCP(t *testing.T) {
	for _, answer := range []int{100, 10_000, 33_000, 100_000, 1_000_000} {
		for _, atServer := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				link := netem.Link{Latency: 50 * ms, Rate: 100 * netem.Mbps}
				client, server := net.Pipe()
				config := Config{Read: link, Write: link}
				if atServer {
					server = NewConn(server, config)
				} else {
					client = NewConn(client, config)
				}
				go func() {
					for {
						if _, err := server.Read(make([]byte, 1)); err != nil {
							return
						}
						if _, err := server.Write(make([]byte, answer)); err != nil {
							return
						}
					}
				}()
				ask := func() time.Duration {
					start := time.Now()
					_, err := client.Write([]byte("?"))
					require.NoError(t, err)
					_, err = io.ReadFull(client, make([]byte, answer))
					require.NoError(t, err)
					return time.Since(start)
				}
				first := ask()
				for range 3 {
					ask()
				}
				for _, idle := range []time.Duration{10 * time.Second, time.Hour, 24 * time.Hour} {
					time.Sleep(idle)
					assert.InDelta(t, first, ask(), float64(5*ms), "after %v, %d bytes, at the server: %v", idle, answer, atServer)
				}
				require.NoError(t, client.Close())
				require.NoError(t, server.Close())
				time.Sleep(time.Minute)
			})
		}
	}
}

// However small the MTU, a stream arrives.
func TestSmallMTUOverTCP(t *testing.T) {
	for _, mtu := range []int{1, 40, 52, 53, 100} {
		overPipe(t, overTCP(bothWays(netem.Link{Latency: ms, MTU: mtu})), func(t *testing.T, conn *Conn, far net.Conn) {
			_, err := conn.Write([]byte("hello"))
			require.NoError(t, err)
			got := make([]byte, 5)
			_, err = io.ReadFull(far, got)
			require.NoError(t, err)
			assert.Equal(t, "hello", string(got), mtu)
		})
	}
}

// TCP matters even if only acknowledgements take time: after ten segments the
// sender waits for them.
func TestSlowAcknowledgements(t *testing.T) {
	took := takesOverTCP(t, 30*netem.MSS, netem.Link{}, netem.Link{Latency: 50 * ms})
	assert.Equal(t, [2]time.Duration{50 * ms, 50 * ms}, took)
}

// When the links have no limits left and nothing is in flight, calls go right to the
// inner connection again.
func TestSetLinksToNoneEndsTCP(t *testing.T) {
	overPipe(t, overTCP(bothWays(netem.Link{Latency: 10 * ms})), func(t *testing.T, conn *Conn, far net.Conn) {
		go func() { _, _ = io.Copy(far, far) }()
		exchange := func() {
			go func() { _, _ = conn.Write([]byte("over")) }()
			_, err := io.ReadFull(conn, make([]byte, 4))
			require.NoError(t, err)
		}
		exchange()
		conn.SetLinks(netem.Link{}, netem.Link{})
		time.Sleep(time.Second)
		exchange()
		exchange()
		assert.False(t, conn.out.gate.isShut())
		assert.False(t, conn.in.gate.isShut())
	})
}

// A failure of the inner connection in mid-transfer ends the connection, whatever still
// arrives.
func TestInnerConnectionFailsInMidTransfer(t *testing.T) {
	overPipe(t, overTCP(Config{Write: netem.Link{Latency: 10 * ms, Rate: 10 * netem.Mbps}}), func(t *testing.T, conn *Conn, far net.Conn) {
		go func() {
			_, _ = io.ReadFull(far, make([]byte, 100_000))
			_ = far.Close()
		}()
		_, err := conn.Write(make([]byte, 4_000_000))
		require.ErrorIs(t, err, io.ErrClosedPipe)
		time.Sleep(time.Minute)
		assert.ErrorContains(t, conn.Drain(t.Context()), "discarded")
	})
}

// A segment that CoDel drops is in the trace.
func TestTraceOfSegmentsThatAQueueDrops(t *testing.T) {
	log := newLog()
	link := netem.Link{Latency: 20 * ms, Rate: netem.Mbps, Queue: netem.Queue{Discipline: netem.CoDel}}
	overPipe(t, overTCP(Config{Write: link, Trace: log.trace}), func(t *testing.T, conn *Conn, far net.Conn) {
		go func() { _, _ = conn.Write(make([]byte, 500_000)) }()
		_, err := io.ReadFull(far, make([]byte, 500_000))
		require.NoError(t, err)
		assert.Contains(t, strings.Join(log.of(Write), "\n"), " drop ")
	})
}

// The end of the stream arrives although the links lose their limits meanwhile.
func TestEndOfStreamAfterTheLinksAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newSink()
		conn := NewConn(inner, bothWays(netem.Link{Latency: 50 * ms}))
		_, err := conn.Write([]byte("last"))
		require.NoError(t, err)
		require.NoError(t, conn.CloseWrite())
		time.Sleep(60 * ms)
		conn.SetLinks(netem.Link{}, netem.Link{})
		_, err = conn.Write([]byte("more"))
		require.ErrorIs(t, err, syscall.EPIPE)
		require.NoError(t, conn.Drain(t.Context()))
		writes, _ := inner.got()
		assert.Equal(t, []arrival{{4, 50 * ms}, {0, 50 * ms}}, writes)
		require.NoError(t, conn.Close())
	})
}

// A stall stops a transfer, which then continues at the rate of the link. It ends
// later by the stall's duration, minus the bytes in the link's queue when the
// stall began.
func TestStallOverTCP(t *testing.T) {
	link := netem.Link{Latency: 20 * ms, Rate: netem.Mbps}
	transfer := func(stall time.Duration) (took [2]time.Duration) {
		for _, direction := range []Direction{Read, Write} {
			overPipe(t, overTCP(bothWays(link)), func(t *testing.T, conn *Conn, far net.Conn) {
				from, to := net.Conn(conn), far
				if direction == Read {
					from, to = far, conn
				}
				go func() { _, _ = from.Write(make([]byte, 250_000)) }()
				go func() {
					time.Sleep(500 * ms)
					conn.Stall()
					time.Sleep(stall)
					conn.Resume()
				}()
				_, err := io.ReadFull(to, make([]byte, 250_000))
				require.NoError(t, err)
				took[direction] = time.Since(bubbleStart)
			})
		}
		return took
	}
	at, late := transfer(0), transfer(time.Hour)
	for direction := range at {
		assert.InDelta(t, at[direction]+time.Hour, late[direction], float64(300*ms), Direction(direction))
	}
}

// The pace's wait comes after each piece, and before the end of the stream, in both
// directions; see also TestExactly.
func TestPaceOverTCP(t *testing.T) {
	link := netem.Link{Latency: 7 * ms, Pace: netem.Pace{Bytes: 10, Wait: 100 * ms}}
	for stalled, want := range map[time.Duration]time.Duration{0: 307 * ms, time.Second: 1307 * ms} {
		overPipe(t, overTCP(Config{Write: link}), func(t *testing.T, conn *Conn, far net.Conn) {
			arrivals := readAll(far)
			_, err := conn.Write(make([]byte, 25))
			require.NoError(t, err)
			require.NoError(t, conn.Close())
			conn.Stall()
			time.Sleep(stalled)
			conn.Resume()
			assert.Equal(t, arrival{0, want}, (<-arrivals)[3])
		})
	}
}

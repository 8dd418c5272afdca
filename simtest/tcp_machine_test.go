package simtest_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// download returns the time at which the client has read the last of several simultaneous
// downloads, each on its own connection.
func download(t *testing.T, sim *simtest.Sim, downloads, size int) (last time.Duration) {
	t.Helper()
	serve(t, sim.Host("b"), size)
	var all sync.WaitGroup
	var mu sync.Mutex
	for range downloads {
		all.Go(func() {
			conn, err := sim.Host("a").Dial("tcp", "b:1")
			if !assert.NoError(t, err) {
				return
			}
			defer conn.Close()
			_, err = io.CopyN(io.Discard, conn, int64(size))
			assert.NoError(t, err)
			mu.Lock()
			last = max(last, sim.Elapsed())
			mu.Unlock()
			n, err := io.Copy(io.Discard, conn)
			assert.NoError(t, err)
			assert.Zero(t, n)
		})
	}
	all.Wait()
	return last
}

// A body that fits into the first ten segments arrives one latency after the handshake;
// a larger body waits for acknowledgements, and twice as much is sent in each round
// trip.
func TestSlowStartTakesItsRounds(t *testing.T) {
	for rounds, segments := range []int{10, 30, 70} { // more waits for the receive buffer to grow
		overTCP(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim) {
			took := download(t, sim, 1, segments*netem.MSS)
			assert.Equal(t, 3*latency+time.Duration(2*rounds)*latency+latency, took, "%d segments", segments)
		})
	}
}

// Several connections between two hosts share the rate.
func TestDownloadsShareTheLink(t *testing.T) {
	link := netem.Link{Latency: 10 * ms, Rate: 10 * netem.Mbps}
	took := make(map[int]time.Duration)
	for _, downloads := range []int{1, 4} {
		overTCP(t, simtest.Config{Link: link}, func(t *testing.T, sim *simtest.Sim) {
			took[downloads] = download(t, sim, downloads, 4_000_000)
		})
	}
	t.Logf("one: %v, four: %v", took[1], took[4])
	assert.InDelta(t, 13.4, took[4].Seconds(), 1.34, "the kernel's time")
	assert.InDelta(t, 4, took[4].Seconds()/took[1].Seconds(), 0.1)
}

// An unanswered SYN is retransmitted as on Linux, until ETIMEDOUT; a refused dial takes
// a round trip.
func TestDialSendsItsSYNAgain(t *testing.T) {
	var lost []time.Duration
	config := simtest.Config{Trace: func(e trace.Event) {
		if e.Kind == trace.Drop {
			lost = append(lost, e.At.Truncate(time.Second))
		}
	}}
	overTCP(t, config, func(t *testing.T, sim *simtest.Sim) {
		sim.Host("b")
		_, err := sim.Host("a").Dial("tcp", "b:1")
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		assert.Equal(t, 2*latency, sim.Elapsed())
		time.Sleep(time.Second - sim.Elapsed())
		sim.Partition([]string{"b"})
		_, err = sim.Host("a").Dial("tcp", "b:1")
		require.ErrorIs(t, err, syscall.ETIMEDOUT)
		assert.Equal(t, 132*time.Second, sim.Elapsed())
	})
	var want []time.Duration
	for _, at := range []int{0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67} {
		want = append(want, time.Duration(1+at)*time.Second)
	}
	assert.Equal(t, want, lost)
}

// A lost SYN-ACK is retransmitted by the server too, so a dial takes a second.
func TestLostSYNACK(t *testing.T) {
	overTCP(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim) {
		_, err := sim.Host("b").Listen("tcp", ":1")
		require.NoError(t, err)
		sim.Host("a")
		sim.PartitionOneWay([]string{"b"}, []string{"a"})
		sim.At(500*ms, func() { sim.Heal() })
		_, err = sim.Host("a").Dial("tcp", "b:1")
		require.NoError(t, err)
		assert.Equal(t, time.Second+2*latency, sim.Elapsed())
	})
}

// When the network stops working, a writer waits once its send buffer is full, and
// gives up after the same time as on Linux.
func TestWriterIntoABlackHole(t *testing.T) {
	overTCP(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim) {
		client, _ := connected(t, sim)
		time.Sleep(time.Second)
		sim.Blackhole("a")
		sim.Blackhole("b")
		start := sim.Elapsed()
		written := 0
		for {
			require.NoError(t, client.SetWriteDeadline(time.Now().Add(time.Minute)))
			n, err := client.Write(make([]byte, 1000))
			if written += n; err != nil {
				break
			}
		}
		assert.Equal(t, 46_336, written, "as many bytes of larger writes as Linux takes")
		require.NoError(t, client.SetWriteDeadline(time.Time{}))
		_, err := client.Write(make([]byte, 1000))
		require.ErrorIs(t, err, syscall.ETIMEDOUT)
		assert.InDelta(t, 1007, (sim.Elapsed() - start).Seconds(), 20)
	})
}

// A window of a fixed size limits the bytes in flight and unread.
func TestWindowOfAFixedSize(t *testing.T) {
	overTCP(t, simtest.Config{Window: 10_000}, func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		start := sim.Elapsed()
		go func() {
			_, err := client.Write(make([]byte, 100_000))
			assert.NoError(t, err)
			assert.NoError(t, client.Close())
		}()
		n, err := io.Copy(io.Discard, server)
		require.NoError(t, err)
		assert.EqualValues(t, 100_000, n)
		assert.InDelta(t, 1.0, (sim.Elapsed() - start).Seconds(), 0.2, "ten round trips or so")
	})
	overTCP(t, simtest.Config{Window: 10_000}, func(t *testing.T, sim *simtest.Sim) {
		client, _ := connected(t, sim)
		require.NoError(t, client.SetWriteDeadline(time.Now().Add(time.Minute)))
		n, err := client.Write(make([]byte, 100_000))
		require.Error(t, err)
		assert.InDelta(t, 20_000, n, 1000, "both buffers")
	})
}

// A partition in mid-transfer costs the remaining time of the timer, which has backed
// off meanwhile, and slow start.
func TestPartitionInMidTransfer(t *testing.T) {
	for _, cut := range []time.Duration{300 * ms, time.Second, 3 * time.Second, 10 * time.Second} {
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			overTCP(t, simtest.Config{Link: netem.Link{Latency: latency, Rate: 10 * netem.Mbps}}, func(t *testing.T, sim *simtest.Sim) {
				client, server := connected(t, sim)
				go func() {
					_, _ = client.Write(make([]byte, 5_000_000))
					_ = client.Close()
				}()
				sim.At(time.Second, func() { sim.Partition([]string{"a"}) })
				sim.At(time.Second+cut, func() { sim.Heal() })
				var longest, last time.Duration
				total := 0
				for buffer := make([]byte, 64<<10); ; {
					n, err := server.Read(buffer)
					if err != nil {
						require.Equal(t, io.EOF, err)
						break
					}
					now := sim.Elapsed()
					longest, last, total = max(longest, now-last), now, total+n
				}
				assert.Equal(t, 5_000_000, total)
				assert.GreaterOrEqual(t, longest, cut)
				assert.Less(t, longest, 2*cut+2*time.Second)
			})
		})
	}
}

// Each host can have its own TCP: Reno for one, and an ideal stream for another, which
// has no headers and no slow start.
func TestSetTCP(t *testing.T) {
	overTCP(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim) {
		sim.Host("a").SetTCP(netem.TCP{Congestion: netem.Unlimited})
		assert.Equal(t, 4*latency, download(t, sim, 1, 1_000_000))
	})
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		assert.PanicsWithValue(t, "simtest: Host.SetTCP: netem: TCP.Window is -1: it must be 0 (Linux's buffers, which grow) or more bytes", func() {
			sim.Host("a").SetTCP(netem.TCP{Window: -1})
		})
	})
}

// A dial that was given up leaves nothing behind: the answer is refused, and the
// listener sees nothing.
func TestDialGivenUpBeforeTheAnswer(t *testing.T) {
	overTCP(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim) {
		listener, err := sim.Host("b").Listen("tcp", ":1")
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), latency)
		defer cancel()
		_, err = sim.Host("a").DialContext(ctx, "tcp", "b:1")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, listener.(interface{ SetDeadline(time.Time) error }).SetDeadline(time.Now().Add(time.Hour)))
		_, err = listener.Accept()
		var timeout net.Error
		require.ErrorAs(t, err, &timeout)
		assert.True(t, timeout.Timeout())
		assert.Zero(t, simtest.PortsInUse(sim.Host("a")))
	})
}

package simtest_test

import (
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A black hole also drops acknowledgements: bytes written from such a port arrive, but
// the writer gets an error because they are not acknowledged, unless the port is
// allowed again before that.
func TestWriterWhosePortIsABlackhole(t *testing.T) {
	for _, address := range []string{"b", "b:1"} {
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			apart(sim)
			client, server := connected(t, sim)
			sim.Settle()
			sim.Blackhole(address)
			write1(t, server, '1')
			time.Sleep(time.Minute)
			sim.Allow(address)
			read1(t, client, '1')
			require.NoError(t, server.SetReadDeadline(time.Now().Add(time.Hour)))
			_, err := server.Read(make([]byte, 1))
			assert.ErrorIs(t, err, os.ErrDeadlineExceeded, "the connection works again")
			require.NoError(t, server.SetReadDeadline(time.Time{}))

			sim.Blackhole(address)
			start := sim.Elapsed()
			write1(t, server, '2')
			read1(t, client, '2')
			assert.Equal(t, start+100*ms, sim.Elapsed())
			_, err = server.Read(make([]byte, 1))
			assert.ErrorIs(t, err, syscall.ETIMEDOUT)
			// The timer has adapted meanwhile: it begins at 451 ms, not at 600.
			const first = 450878906 * time.Nanosecond
			assert.InDelta(t, 512*first+7*2*time.Minute, sim.Elapsed()-start, float64(ms))
		})
	}
}

// If a link has lost a packet as often as TCP sends it, nothing that is written later
// arrives, even if the link works by then: the bytes before it are missing.
func TestNothingIsSentOnAConnectionThatHasFailed(t *testing.T) {
	ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		sim.SetLink("a", "b", netem.Link{Loss: netem.Loss{Random: 1}})
		_, err := client.Write([]byte("lost"))
		require.NoError(t, err)
		sim.Settle()
		sim.SetLink("a", "b", netem.Link{})
		_, err = client.Write([]byte("late"))
		require.NoError(t, err)
		require.NoError(t, server.SetReadDeadline(time.Now().Add(time.Hour)))
		_, err = server.Read(make([]byte, 10))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		_, err = client.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ETIMEDOUT)
	})
}

// Bytes that a paused host has written are not sent on a connection that was reset
// meanwhile, so they do not delay others on the link.
func TestResetConnectionTakesNoRoomOnTheLink(t *testing.T) {
	ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
		bottleneck := netem.NewBottleneck(8 * netem.Kbps)
		broken, _ := connected(t, sim)
		listener, err := sim.Host("b").Listen("tcp", ":2")
		require.NoError(t, err)
		client, err := sim.Host("a").Dial("tcp", "b:2")
		require.NoError(t, err)
		server, err := listener.Accept()
		require.NoError(t, err)
		sim.SetLink("a", "b", netem.Link{Bottleneck: bottleneck})

		sim.Host("a").Pause()
		_, err = broken.Write(make([]byte, 15_000))
		require.NoError(t, err)
		sim.ResetConn(broken)
		sim.Host("a").Resume()
		start := sim.Elapsed()
		_, err = client.Write(make([]byte, 1000))
		require.NoError(t, err)
		_, err = server.Read(make([]byte, 1000))
		require.NoError(t, err)
		assert.Equal(t, start+time.Second, sim.Elapsed())
		_, err = broken.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ECONNRESET)
	})
}

// Bytes written to a crashed host are retransmitted after 200 ms. Bytes that are
// written earlier than that are sent at once, so the writer learns sooner that the host
// is up again.
func TestWriteToAHostThatIsBack(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		apart(sim)
		client, _ := connected(t, sim)
		time.Sleep(time.Second)
		start := sim.Elapsed()
		write1(t, client, '1')
		sim.Settle()
		sim.Host("b").Crash()
		sim.At(start+150*ms, sim.Host("b").Restart)
		sim.At(start+180*ms, func() { write1(t, client, '2') })
		_, err := client.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ECONNRESET)
		assert.Equal(t, start+180*ms+200*ms, sim.Elapsed())
	})
}

// A host that crashes before the dialler's confirmation has arrived does not answer,
// like one that crashes later: an end that only reads does not notice. A writer gets a
// timeout, or a reset from the host when it is up again.
func TestCrashBeforeTheConfirmationArrives(t *testing.T) {
	for restart, want := range map[bool]struct {
		err error
		at  time.Duration // since it wrote
	}{
		false: {syscall.ETIMEDOUT, 102200*ms + 7*time.Minute},
		true:  {syscall.ECONNRESET, 1400*ms + 200*ms}, // by the third retransmission
	} {
		ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
			apart(sim)
			_, err := sim.Host("b").Listen("tcp", ":1")
			require.NoError(t, err)
			client, err := sim.Host("a").Dial("tcp", "b:1")
			require.NoError(t, err)
			time.Sleep(50 * ms)
			sim.Host("b").Crash()
			require.NoError(t, client.SetReadDeadline(time.Now().Add(time.Hour)))
			_, err = client.Read(make([]byte, 1))
			assert.ErrorIs(t, err, os.ErrDeadlineExceeded, "not a word")
			require.NoError(t, client.SetReadDeadline(time.Time{}))

			start := sim.Elapsed()
			write1(t, client, '1')
			if restart {
				sim.At(start+time.Second, sim.Host("b").Restart)
			}
			_, err = client.Read(make([]byte, 1))
			assert.ErrorIs(t, err, want.err)
			assert.Equal(t, start+want.at, sim.Elapsed())
		})
	}
}

// Over links of nothing, a writer is at most a burst ahead of a reader that keeps up:
// the receive window grows as on a kernel's loopback, though the round trip takes no
// time, and then every 256 KiB arrive as a whole.
func TestBulkOverNothingArrivesInBursts(t *testing.T) {
	const chunk, chunks = 32 << 10, 512
	simtest.Config{KeepEvents: 100_000}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		go func() {
			defer client.Close()
			for range chunks {
				_, err := client.Write(make([]byte, chunk))
				assert.NoError(t, err)
			}
		}()
		received := 0
		for buffer := make([]byte, chunk); ; {
			n, err := server.Read(buffer)
			received += n
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
		}
		require.Equal(t, chunk*chunks, received)
		var sizes []int
		for _, e := range sim.Trace().Events() {
			if e.Kind == trace.Data {
				sizes = append(sizes, e.Length)
			}
		}
		assert.Equal(t, 64240, sizes[0])
		for _, size := range sizes[len(sizes)/2 : len(sizes)-1] {
			assert.Equal(t, 256<<10, size)
		}
	})
}

package simtest_test

import (
	"bytes"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// windowSize is the number of unread bytes that may be sent.
const windowSize = 1 << 20

// connected returns both ends of a connection from host a to host b.
func connected(t *testing.T, sim *simtest.Sim) (client, server net.Conn) {
	t.Helper()
	listener, err := sim.Host("b").Listen("tcp", ":1")
	require.NoError(t, err)
	client, err = sim.Host("a").DialContext(t.Context(), "tcp", "b:1")
	require.NoError(t, err)
	server, err = listener.Accept()
	require.NoError(t, err)
	return client, server
}

// A waiting writer continues as soon as there is room, however little.
func TestLittleRoomInTheWindow(t *testing.T) {
	ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		start := time.Now()
		go func() {
			for range 3 {
				time.Sleep(time.Second)
				_, err := io.ReadFull(server, make([]byte, 1000))
				assert.NoError(t, err)
			}
		}()
		require.NoError(t, client.SetWriteDeadline(start.Add(time.Minute)))
		_, err := client.Write(make([]byte, windowSize+3000))
		require.NoError(t, err)
		assert.Equal(t, 3*time.Second, time.Since(start))
	})
}

// A later writer finds the room that was made in the meantime.
func TestALaterWriterFindsRoom(t *testing.T) {
	ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetLink("b", "a", netem.Link{Latency: 100 * ms})
		client, server := connected(t, sim)
		_, err := client.Write(make([]byte, windowSize))
		require.NoError(t, err)
		_, err = io.ReadFull(server, make([]byte, windowSize))
		require.NoError(t, err)
		time.Sleep(time.Second)
		start := time.Now()
		_, err = client.Write(make([]byte, windowSize))
		require.NoError(t, err)
		assert.Zero(t, time.Since(start))
	})
}

// The bytes of two writes are not interleaved, not even if one write begins at the
// instant at which there is room for more of the other.
func TestWritesDoNotMix(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetLink("a", "b", netem.Link{Rate: 8 * netem.Kbps, MTU: 1000, Queue: netem.Queue{Bytes: 1000}}) // a packet a second
		client, server := connected(t, sim)
		ticks, err := sim.Host("a").ListenPacket("udp", ":1")
		require.NoError(t, err)
		start := time.Now()
		go func() { // ticks arrive when packets have left
			ticker, err := sim.Host("c").Dial("udp", "a:1")
			require.NoError(t, err)
			sim.SetLink("c", "a", netem.Link{Latency: 500 * ms})
			time.Sleep(500*ms - time.Since(start))
			for range 9 {
				_, err := ticker.Write([]byte("tick"))
				require.NoError(t, err)
				time.Sleep(time.Second)
			}
		}()
		go func() {
			_, err := client.Write(bytes.Repeat([]byte{'a'}, 5000))
			assert.NoError(t, err)
		}()
		go func() {
			for range 9 {
				_, _, err := ticks.ReadFrom(make([]byte, 10))
				assert.NoError(t, err)
				_, err = client.Write([]byte{'b'})
				assert.NoError(t, err)
			}
			assert.NoError(t, client.Close())
		}()
		got, err := io.ReadAll(server)
		require.NoError(t, err)
		assert.Equal(t, strings.Repeat("a", 5000)+strings.Repeat("b", 9), string(got))
	})
}

// CloseWrite ends a Write that waits for room.
func TestCloseWriteWakesAWriter(t *testing.T) {
	ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
		client, _ := connected(t, sim)
		go func() {
			time.Sleep(time.Second)
			assert.NoError(t, client.(half).CloseWrite())
		}()
		require.NoError(t, client.SetWriteDeadline(time.Now().Add(time.Minute)))
		n, err := client.Write(make([]byte, 2*windowSize))
		assert.Equal(t, windowSize, n)
		assert.ErrorIs(t, err, syscall.EPIPE)
		assert.Equal(t, time.Second, sim.Elapsed())
	})
}

// A late NotifyReadable calls its function at once: for a reset, the end of the stream
// and a closed connection, as well as for bytes.
func TestNotifyReadableAfterTheEvent(t *testing.T) {
	for name, happen := range map[string]func(client, server net.Conn) error{
		"bytes": func(_, server net.Conn) error { _, err := server.Write([]byte("x")); return err },
		"end":   func(_, server net.Conn) error { return server.(half).CloseWrite() },
		"reset": func(_, server net.Conn) error {
			_ = server.(half).SetLinger(0)
			return server.Close()
		},
		"reading ended": func(client, _ net.Conn) error { return client.(half).CloseRead() },
		"closed":        func(client, _ net.Conn) error { return client.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
				client, server := connected(t, sim)
				require.NoError(t, happen(client, server))
				time.Sleep(ms)
				notified := 0
				client.(interface{ NotifyReadable(func()) }).NotifyReadable(func() { notified++ })
				assert.Equal(t, 1, notified)
			})
		})
	}
}

// The window can have another size. The throughput is limited to a window per round
// trip.
func TestWindowOfAnotherSize(t *testing.T) {
	for _, window := range []int{1, 1000, 100_000, 10_000_000} {
		simtest.Config{TCP: unlimited, Window: window, Link: netem.Link{Latency: 50 * ms}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			client, server := connected(t, sim)
			start := time.Now()
			go func() {
				_, err := client.Write(make([]byte, 5*window))
				assert.NoError(t, err)
				assert.NoError(t, client.Close())
			}()
			n, err := io.Copy(io.Discard, server)
			require.NoError(t, err)
			assert.EqualValues(t, 5*window, n)
			assert.Equal(t, 4*100*ms+50*ms, time.Since(start))
		})
	}
	assert.PanicsWithValue(t, "simtest: Config.Window is -1: it must be a positive number of bytes, or 0 (Linux's buffers, which grow; 1 MiB on an ideal stream)", func() {
		simtest.Config{TCP: unlimited, Window: -1}.Run(t, func(*testing.T, *simtest.Sim) {})
	})
}

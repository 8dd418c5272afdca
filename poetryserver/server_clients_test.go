package poetryserver_test

import (
	"context"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/testnet"
	"github.com/slowpoetry/slowpoetry/poetryserver"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A client that never reads is disconnected after the timeout, and not after a multiple of
// it, with and without a pace. Its connection is reset, and the server forgets the client.
func TestTimeoutIsNotMultiplied(t *testing.T) {
	t.Parallel()
	for _, server := range []*poetryserver.Server{
		{Poem: make([]byte, 64<<20), Timeout: 800 * ms, Concurrent: true},
		{Poem: make([]byte, 64<<20), Timeout: 800 * ms, Pace: netem.Pace{Bytes: 1 << 20, Wait: time.Microsecond}},
	} {
		testnet.Each(t, func(t *testing.T, n *testnet.Net) {
			f := serve(t, n, &poetryserver.Server{Poem: server.Poem, Timeout: server.Timeout, Concurrent: server.Concurrent, Pace: server.Pace})
			start := time.Now()
			conn := n.MustDial(t, f.address)
			gone := f.await(t, poetryserver.Gone)
			took := time.Since(start)
			assert.EqualError(t, gone.Err, "accepted no byte for 800ms")
			assert.Less(t, gone.Bytes, len(f.Poem))
			assert.GreaterOrEqual(t, took, 800*ms)
			if n.Simulated {
				assert.LessOrEqual(t, took, 901*ms, "the timeout plus two sixteenths")
			}
			assert.Less(t, took, 1500*ms, "less than twice the timeout")
			_, err := io.Copy(io.Discard, conn)
			assert.ErrorIs(t, err, syscall.ECONNRESET, "a part of the poem must not look like the whole")
			assert.NoError(t, f.Shutdown(t.Context()), "no client is left")
		})
	}
}

// A client that reads a little just before the timeout receives the whole
// poem. When it stops reading it is disconnected within the timeout plus a
// sixteenth.
func TestSlowReader(t *testing.T) {
	ideal := simtest.Config{TCP: netem.TCP{Congestion: netem.Unlimited}} // its window opens with each byte that is read
	ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
		listener, err := sim.Host("server").Listen("tcp", ":1")
		require.NoError(t, err)
		gone := make(chan time.Duration, 1)
		server := &poetryserver.Server{Poem: make([]byte, 16<<20), Timeout: time.Second, Observer: func(e poetryserver.ClientEvent) {
			if e.Kind == poetryserver.Gone {
				gone <- sim.Elapsed()
			}
		}}
		go func() { _ = server.Serve(listener) }()
		conn, err := sim.Host("client").DialContext(t.Context(), "tcp", "server:1")
		require.NoError(t, err)
		for range 100 {
			time.Sleep(990 * ms)
			_, err := io.ReadFull(conn, make([]byte, 100))
			require.NoError(t, err)
		}
		stopped := sim.Elapsed()
		at := <-gone
		assert.Greater(t, at, stopped+999*ms)
		assert.Less(t, at, stopped+time.Second+63*ms)
		require.NoError(t, server.Close())
	})
}

// talk sends endlessly, and returns the number of bytes accepted and the final
// error.
func talk(conn net.Conn) (total int64, err error) {
	buffer := make([]byte, 64<<10)
	for err == nil {
		var n int
		n, err = conn.Write(buffer)
		total += int64(n)
	}
	return total, err
}

// A server does not read forever from a client that has received the poem and sends without
// end. The client receives the end of the poem, and is reset after the timeout.
func TestClientThatSendsForEver(t *testing.T) {
	testnet.Each(t, func(t *testing.T, n *testnet.Net) {
		f := serve(t, n, &poetryserver.Server{Poem: make([]byte, 100_000), Pace: netem.Pace{Bytes: 10_000, Wait: ms}, Timeout: time.Second})
		start := time.Now()
		conn := n.MustDial(t, f.address)
		var taken int64
		talked := make(chan error, 1)
		go func() {
			var err error
			taken, err = talk(conn)
			talked <- err
		}()
		time.Sleep(400 * ms) // the client also reads slowly
		poem, err := io.ReadAll(conn)
		assert.NoError(t, err)
		assert.Len(t, poem, 100_000)
		_, took := get(t, n, f.address)
		assert.Less(t, took, 600*ms, "the next client does not wait")

		assert.Error(t, <-talked)
		assert.Less(t, taken, int64(32<<20), "a megabyte, plus the buffers")
		if took := time.Since(start); n.Simulated {
			assert.Equal(t, 1010*ms, took)
		} else {
			assert.Greater(t, took, time.Second)
		}
		require.NoError(t, f.Close())
		assert.Equal(t, poetryserver.ErrServerClosed, <-f.served)
	})
}

// A client that sends a lot and then closes is finished when it closes.
func TestClientThatSendsALot(t *testing.T) {
	testnet.Each(t, func(t *testing.T, n *testnet.Net) {
		f := serve(t, n, &poetryserver.Server{Poem: []byte("poem")})
		conn := n.MustDial(t, f.address)
		_, err := conn.Write(make([]byte, 1<<20-1))
		require.NoError(t, err)
		poem, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.Equal(t, "poem", string(poem))
		require.NoError(t, conn.Close())
		ctx, cancel := context.WithTimeout(t.Context(), 900*ms) // clients that stay have a second
		defer cancel()
		assert.NoError(t, f.Shutdown(ctx))
	})
}

// A server that is shut down or closed does not wait long for a client that
// sends forever.
func TestEndOfAServerWhoseClientSendsForEver(t *testing.T) {
	for _, timeout := range []time.Duration{0, -1} {
		for _, shutdown := range []bool{false, true} {
			simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
				listener, err := sim.Host("server").Listen("tcp", ":1")
				require.NoError(t, err)
				server := &poetryserver.Server{Poem: []byte("poem"), Timeout: timeout}
				served := make(chan error, 1)
				go func() { served <- server.Serve(listener) }()
				conn, err := sim.Host("client").DialContext(t.Context(), "tcp", "server:1")
				require.NoError(t, err)
				talked := make(chan struct{})
				go func() {
					defer close(talked)
					_, _ = talk(conn)
				}()
				poem, err := io.ReadAll(conn)
				require.NoError(t, err)
				assert.Equal(t, "poem", string(poem))
				time.Sleep(10 * time.Second)
				start := time.Now()
				if shutdown {
					require.NoError(t, server.Shutdown(t.Context()))
					assert.Equal(t, time.Second, time.Since(start))
				} else {
					require.NoError(t, server.Close())
					require.NoError(t, server.Close())
					assert.Zero(t, time.Since(start))
				}
				assert.Equal(t, poetryserver.ErrServerClosed, <-served)
				<-talked
			})
		}
	}
}

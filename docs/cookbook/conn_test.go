package cookbook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// dialWithBackOff dials until it succeeds or the context ends. Between attempts it waits
// 100 ms, 200 ms, and so on up to 2 s.
func dialWithBackOff(ctx context.Context, dial func(ctx context.Context, network, address string) (net.Conn, error), address string) (net.Conn, error) {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		conn, err := dial(ctx, "tcp", address)
		if err == nil || ctx.Err() != nil {
			return conn, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), err)
		}
	}
}

func TestRetryWithBackOff(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		server, client := sim.Host("server"), sim.Host("client")
		sim.At(3*time.Second, func() {
			_, err := server.Listen("tcp", ":80")
			assert.NoError(t, err)
		})
		conn, err := dialWithBackOff(t.Context(), client.DialContext, "server:80")
		require.NoError(t, err)
		assert.Equal(t, 3100*time.Millisecond, sim.Elapsed()) // refused at 0, 0.1, 0.3, 0.7 and 1.5 s
		require.NoError(t, conn.Close())

		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err = dialWithBackOff(ctx, client.DialContext, "server:81")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	})
}

// connect returns both ends of a connection from the host "client" to the host "server".
func connect(t *testing.T, sim *simtest.Sim) (client, server net.Conn) {
	listener, err := sim.Host("server").Listen("tcp", ":1")
	require.NoError(t, err)
	client, err = sim.Host("client").Dial("tcp", "server:1")
	require.NoError(t, err)
	server, err = listener.Accept()
	require.NoError(t, err)
	return client, server
}

func TestDeadPeer(t *testing.T) {
	config.Run(t, func(t *testing.T, sim *simtest.Sim) {
		_, conn := connect(t, sim)
		sim.Host("client").Crash() // sends no FIN and no reset

		// Without a deadline, only TCP's keep-alive detects the crash, after two and a half minutes.
		start := time.Now()
		_, err := conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ETIMEDOUT)
		assert.InDelta(t, 150, time.Since(start).Seconds(), 1)
	})
}

func TestHeartbeats(t *testing.T) {
	config.Run(t, func(t *testing.T, sim *simtest.Sim) {
		client, conn := connect(t, sim)
		sim.Host("client").Go(func(ctx context.Context) {
			for ctx.Err() == nil { // a heartbeat every second
				if _, err := client.Write([]byte{0}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		sim.At(10*time.Second, sim.Host("client").Crash)

		var err error
		for err == nil {
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(3*time.Second)))
			_, err = conn.Read(make([]byte, 1))
		}
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Less(t, sim.Elapsed(), 13*time.Second)
	})
}

func TestHalfClose(t *testing.T) {
	config.Run(t, func(t *testing.T, sim *simtest.Sim) {
		client, server := connect(t, sim)
		go func() {
			text, _ := io.ReadAll(server) // until the client closes its direction
			fmt.Fprintf(server, "%d bytes", len(text))
			_ = server.Close()
		}()
		_, err := io.WriteString(client, "a whole document")
		require.NoError(t, err)
		require.NoError(t, client.(interface{ CloseWrite() error }).CloseWrite())
		answer, err := io.ReadAll(client)
		require.NoError(t, err)
		assert.Equal(t, "16 bytes", string(answer))
	})
}

func TestPeerThatDoesNotRead(t *testing.T) {
	config.Run(t, func(t *testing.T, sim *simtest.Sim) {
		_, conn := connect(t, sim) // the client never reads
		require.NoError(t, conn.SetWriteDeadline(time.Now().Add(5*time.Second)))
		start := time.Now()
		n, err := conn.Write(make([]byte, 100<<20))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, 5*time.Second, time.Since(start))
		assert.Less(t, n, 10<<20) // the bytes that fit into the buffers of both ends
	})
}

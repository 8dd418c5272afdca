// Package quic runs github.com/quic-go/quic-go: streams over datagrams, with
// TLS.
package quic

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/programs/internal/certificate"
	"github.com/slowpoetry/slowpoetry/programs/internal/scenario"
	"github.com/slowpoetry/slowpoetry/simtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var config = &quic.Config{MaxIdleTimeout: 30 * time.Second, KeepAlivePeriod: 10 * time.Second}

// serve runs a server that echoes each stream. Its key for stateless resets is
// the same after a restart.
func serve(t *testing.T, sim *simtest.Sim, pause time.Duration) {
	t.Helper()
	settings, err := certificate.ForServer("echo")
	require.NoError(t, err)
	host := sim.Host("server")
	host.Run(func(ctx context.Context) error {
		socket, err := host.ListenPacket("udp4", ":4433")
		if err != nil {
			return err
		}
		transport := &quic.Transport{Conn: socket, StatelessResetKey: new(quic.StatelessResetKey)}
		defer func() { _ = transport.Close() }()
		listener, err := transport.Listen(settings, config)
		if err != nil {
			return err
		}
		for {
			conn, err := listener.Accept(ctx)
			if err != nil {
				return nil
			}
			go echo(conn, pause)
		}
	})

}

func echo(conn *quic.Conn, pause time.Duration) {
	for {
		stream, err := conn.AcceptStream(context.Background())
		if err != nil {
			return
		}
		go func() {
			data, err := io.ReadAll(stream)
			if err == nil {
				_ = send(stream, data, pause)
			}
		}()
	}
}

// send sends data and closes the stream, with a pause before each step.
func send(stream *quic.Stream, data []byte, pause time.Duration) error {
	time.Sleep(pause)
	if _, err := stream.Write(data); err != nil {
		return err
	}
	time.Sleep(pause)
	return stream.Close()
}

// A client has one socket for all its connections.
type client struct {
	transport *quic.Transport
	server    net.Addr
}

func newClient(t *testing.T, sim *simtest.Sim) *client {
	t.Helper()
	socket, err := sim.Host("client").ListenPacket("udp4", ":0")
	require.NoError(t, err)
	c := &client{
		transport: &quic.Transport{Conn: socket},
		server:    &net.UDPAddr{IP: sim.Host("server").Addr().AsSlice(), Port: 4433},
	}
	t.Cleanup(func() { _ = c.transport.Close() })
	return c
}

func (c *client) connect(ctx context.Context) (*quic.Conn, error) {
	settings, err := certificate.ForClient("echo")
	if err != nil {
		return nil, err
	}
	return c.transport.Dial(ctx, c.server, settings, config)
}

func (c *client) dial(t *testing.T) *quic.Conn {
	t.Helper()
	conn, err := c.connect(t.Context())
	require.NoError(t, err)
	return conn
}

// exchange sends n bytes on a new stream and reads them back.
func exchange(conn *quic.Conn, n int, pause time.Duration) error {
	stream, err := conn.OpenStreamSync(context.Background())
	if err != nil {
		return err
	}
	there := bytes.Repeat([]byte("poem"), n/4)
	if err := send(stream, there, pause); err != nil {
		return err
	}
	back, err := io.ReadAll(stream)
	if err != nil {
		return err
	}
	if !bytes.Equal(there, back) {
		return errors.New("the echo differs from the data sent")
	}
	time.Sleep(pause)
	return nil
}

// The handshake takes one round trip, and opening a stream takes none.
func TestSlowLink(t *testing.T) {
	polite(t, func(t *testing.T, sim *simtest.Sim, o *scenario.Outcome, pause time.Duration) {
		serve(t, sim, pause)
		c := newClient(t, sim)
		var conn *quic.Conn
		took := scenario.Took(func() { conn = c.dial(t) })
		assert.Greater(t, took, scenario.RoundTrip+scenario.Bytes(2*1200))
		assert.Less(t, took, scenario.RoundTrip+scenario.Bytes(5*1280))
		for _, n := range []int{4, 1000, 100_000} {
			took := scenario.Took(func() { assert.NoError(t, exchange(conn, n, pause)) })
			assert.Greater(t, took, scenario.RoundTrip+scenario.Bytes(2*n))
			assert.Less(t, took, 2*scenario.RoundTrip+scenario.Bytes(3*n))
			o.Note("%d bytes: %v", n, took)
		}
	})
}

// A short partition costs time. During a long one, both ends give up after 30
// seconds of silence.
func TestPartition(t *testing.T) {
	polite(t, func(t *testing.T, sim *simtest.Sim, o *scenario.Outcome, pause time.Duration) {
		serve(t, sim, pause)
		c := newClient(t, sim)
		conn := c.dial(t)
		scenario.Cut(sim, 5*time.Second)
		took := scenario.Took(func() { assert.NoError(t, exchange(conn, 1000, pause)) })
		assert.Greater(t, took, 5*time.Second)
		assert.Less(t, took, 15*time.Second)
		o.Note("%v", took)

		time.Sleep(time.Second)
		scenario.Cut(sim, time.Hour)
		took = scenario.Took(func() { assert.ErrorIs(t, exchange(conn, 1000, pause), new(quic.IdleTimeoutError)) })
		assert.Equal(t, pause+config.MaxIdleTimeout, took)
		time.Sleep(time.Hour)
		assert.NoError(t, exchange(c.dial(t), 1000, pause))
	})
}

// A server that has crashed and restarted answers packets of old connections
// with a reset.
func TestCrash(t *testing.T) {
	polite(t, func(t *testing.T, sim *simtest.Sim, o *scenario.Outcome, pause time.Duration) {
		serve(t, sim, pause)
		c := newClient(t, sim)
		conn := c.dial(t)
		assert.NoError(t, exchange(conn, 1000, pause))
		scenario.Bounce(sim, 2*time.Second)
		took := scenario.Took(func() { assert.ErrorIs(t, exchange(conn, 1000, pause), new(quic.StatelessResetError)) })
		assert.Greater(t, took, 2*time.Second)
		assert.Less(t, took, 10*time.Second)
		o.Note("%v", took)
		assert.NoError(t, exchange(c.dial(t), 1000, pause))
	})
}

// Whatever happens to the network and the server, the client reconnects and
// continues.
func TestFaults(t *testing.T) {
	work := scenario.Faults(func(t *testing.T, sim *simtest.Sim) scenario.Work {
		serve(t, sim, 0)
		c := newClient(t, sim)
		var conn *quic.Conn
		return func(ctx context.Context) (err error) {
			if conn == nil {
				if conn, err = c.connect(ctx); err != nil {
					return err
				}
			}
			stop := context.AfterFunc(ctx, func() { _ = conn.CloseWithError(0, "") })
			defer stop()
			if err = exchange(conn, 1000, 0); err != nil {
				_ = conn.CloseWithError(0, "")
				conn = nil
			}
			return err
		}
	})
	scenario.Alike(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		work(t, sim, &scenario.Outcome{})
	})
}

// polite runs f with pauses and without. A connection has a goroutine that sends
// pending data. If the program writes or reads at the instant at which that
// goroutine runs, the scheduler decides whether the data goes into this packet or
// the next. With pauses of a millisecond, only one of the two acts at a time.
func polite(t *testing.T, f func(t *testing.T, sim *simtest.Sim, o *scenario.Outcome, pause time.Duration)) {
	t.Helper()
	same(t, func(t *testing.T, sim *simtest.Sim, o *scenario.Outcome) {
		f(t, sim, o, time.Millisecond)
	})
	scenario.Alike(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		f(t, sim, &scenario.Outcome{}, 0)
	})
}

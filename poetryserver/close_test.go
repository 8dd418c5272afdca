package poetryserver_test

import (
	"context"
	"io"
	"net"
	"slices"
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

func TestClose(t *testing.T) {
	testnet.Each(t, func(t *testing.T, n *testnet.Net) {
		f := serve(t, n, &poetryserver.Server{Poem: []byte("poem"), Pace: netem.Pace{Bytes: 1, Wait: time.Hour}})
		served, waiting := n.MustDial(t, f.address), n.MustDial(t, f.address)
		_, err := io.ReadFull(served, make([]byte, 1))
		require.NoError(t, err)
		start := time.Now()
		require.NoError(t, f.Close())
		assert.Equal(t, poetryserver.ErrServerClosed, <-f.served)
		n.AssertTook(t, 0, time.Since(start))
		_, err = io.ReadAll(served)
		assert.Error(t, err, "a part of the poem must not look like the whole")
		_, err = io.ReadAll(waiting)
		assert.Error(t, err)
		_, err = n.Dial(t.Context(), "tcp", f.address)
		assert.Error(t, err, "no new clients")
		assert.Equal(t, poetryserver.ErrServerClosed, f.await(t, poetryserver.Gone).Err)
		require.NoError(t, f.Close(), "twice does no harm")
		listener, _ := n.Listen(t)
		assert.Equal(t, poetryserver.ErrServerClosed, f.Serve(listener), "closed permanently")
	})
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	testnet.Each(t, func(t *testing.T, n *testnet.Net) {
		f := serve(t, n, &poetryserver.Server{Poem: []byte("poem"), Pace: netem.Pace{Bytes: 1, Wait: 200 * ms}})
		start := time.Now()
		conn := n.MustDial(t, f.address)
		_, err := io.ReadFull(conn, make([]byte, 1))
		require.NoError(t, err)

		impatient, cancel := context.WithTimeout(t.Context(), 10*ms)
		defer cancel()
		assert.ErrorIs(t, f.Shutdown(impatient), context.DeadlineExceeded)
		_, err = n.Dial(t.Context(), "tcp", f.address)
		assert.Error(t, err, "no new clients")

		shut := make(chan error, 1)
		go func() { shut <- f.Shutdown(t.Context()) }()
		rest, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.Equal(t, "oem", string(rest), "a client being served receives the rest")
		n.AssertTook(t, 800*ms, time.Since(start))
		require.NoError(t, conn.Close())
		assert.NoError(t, <-shut)
		assert.Equal(t, poetryserver.ErrServerClosed, <-f.served)
		assert.NoError(t, f.Shutdown(t.Context()), "twice does no harm")
	})
}

func TestShutdownOfAnIdleServer(t *testing.T) {
	assert.NoError(t, new(poetryserver.Server).Shutdown(t.Context()))
	assert.NoError(t, new(poetryserver.Server).Close())
}

// A server that is closed while it waits to retry a failed Accept stops at once.
func TestCloseWhileAcceptFails(t *testing.T) {
	testnet.Each(t, func(t *testing.T, n *testnet.Net) {
		inner, _ := n.Listen(t)
		passing := slices.Repeat([]error{temporaryError{io.ErrUnexpectedEOF}}, 1000)
		served := make(chan error, 1)
		server := &poetryserver.Server{Poem: []byte("poem")}
		go func() { served <- server.Serve(&failing{inner, passing}) }()
		time.Sleep(50 * ms)
		start := time.Now()
		require.NoError(t, server.Close())
		assert.Equal(t, poetryserver.ErrServerClosed, <-served)
		n.AssertTook(t, 0, time.Since(start))
	})
}

// A listener that fails permanently is closed at once, while clients are still being served.
func TestListenerFailsPermanently(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		listener, err := sim.Host("server").Listen("tcp", ":1")
		require.NoError(t, err)
		server := &poetryserver.Server{Poem: []byte("poem"), Pace: netem.Pace{Bytes: 1, Wait: time.Second}, Concurrent: true}
		accepts := &failsAfter{Listener: listener, accepts: 1}
		served := make(chan error, 1)
		go func() { served <- server.Serve(accepts) }()
		conn, err := sim.Host("client").DialContext(t.Context(), "tcp", "server:1")
		require.NoError(t, err)
		time.Sleep(ms)
		_, err = sim.Host("client").DialContext(t.Context(), "tcp", "server:1")
		assert.ErrorIs(t, err, syscall.ECONNREFUSED)
		poem, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.Equal(t, "poem", string(poem))
		require.NoError(t, conn.Close())
		assert.Equal(t, io.ErrNoProgress, <-served)
	})
}

// failsAfter is a listener that fails permanently after some connections.
type failsAfter struct {
	net.Listener
	accepts int
}

func (f *failsAfter) Accept() (net.Conn, error) {
	if f.accepts == 0 {
		return nil, io.ErrNoProgress
	}
	f.accepts--
	return f.Listener.Accept()
}

// The observer may call Close at any event.
func TestCloseFromTheObserver(t *testing.T) {
	for _, kind := range []poetryserver.ClientEventKind{poetryserver.Connected, poetryserver.Sent, poetryserver.Done} {
		for _, concurrent := range []bool{false, true} {
			testnet.Each(t, func(t *testing.T, n *testnet.Net) {
				listener, address := n.Listen(t)
				server := &poetryserver.Server{Poem: []byte("poem"), Pace: netem.Pace{Bytes: 1, Wait: ms}, Concurrent: concurrent}
				server.Observer = func(e poetryserver.ClientEvent) {
					if e.Kind == kind {
						_ = server.Close()
					}
				}
				served := make(chan error, 1)
				go func() { served <- server.Serve(listener) }()
				if conn, err := n.Dial(t.Context(), "tcp", address); err == nil { // it may already be reset
					_, _ = io.ReadAll(conn)
					_ = conn.Close()
				}
				assert.Equal(t, poetryserver.ErrServerClosed, <-served)
			})
		}
	}
}

// failing is a listener whose Accept fails for a while.
type failing struct {
	net.Listener
	errors []error
}

func (f *failing) Accept() (net.Conn, error) {
	if len(f.errors) == 0 {
		return f.Listener.Accept()
	}
	err := f.errors[0]
	f.errors = f.errors[1:]
	return nil, err
}

type temporaryError struct{ error }

func TestAcceptFails(t *testing.T) {
	testnet.Each(t, func(t *testing.T, n *testnet.Net) {
		inner, address := n.Listen(t)
		passing := temporaryError{io.ErrUnexpectedEOF}
		server := &poetryserver.Server{Poem: []byte("poem")}
		served := make(chan error, 1)
		troubles := 0
		server.Observer = func(e poetryserver.ClientEvent) {
			if e.Kind == poetryserver.NotAccepted {
				assert.Equal(t, passing, e.Err)
				troubles++
			}
		}
		go func() { served <- server.Serve(&failing{inner, []error{passing, passing, passing}}) }()
		poem, took := get(t, n, address)
		assert.Equal(t, "poem", poem)
		n.AssertTook(t, (5+10+20)*ms, took)
		require.NoError(t, server.Close())
		assert.Equal(t, poetryserver.ErrServerClosed, <-served)
		assert.Equal(t, 1, troubles, "a series of failures is reported once")

		inner, _ = n.Listen(t)
		err := new(poetryserver.Server).Serve(&failing{inner, []error{io.ErrNoProgress}})
		assert.Equal(t, io.ErrNoProgress, err)
		_, err = inner.Accept()
		assert.ErrorIs(t, err, net.ErrClosed, "Serve closes its listener")
	})
}

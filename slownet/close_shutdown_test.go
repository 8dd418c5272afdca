package slownet_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

const (
	ms = time.Millisecond
	us = time.Microsecond
)

// A memoryListener accepts the connections that its dial method makes, over net.Pipe.
type memoryListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newMemoryListener() *memoryListener {
	return &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	select {
	case <-l.closed:
		return net.ErrClosed
	default:
		close(l.closed)
		return nil
	}
}

func (l *memoryListener) Addr() net.Addr { return &net.TCPAddr{} }

func (l *memoryListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// An http.Server over a slow link closes at once, however many clients it has.
// Shutdown of its listener waits until the clients have received everything.
func TestHTTPServerIsClosedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newMemoryListener()
		link := netem.Link{Latency: 150 * ms}
		listener := slownet.NewListener(inner, slownet.Config{Read: link, Write: link})
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })}
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		web := &http.Transport{DialContext: inner.dial}
		for range 40 { // idle at the end
			response, err := (&http.Client{Transport: web}).Get("http://server.test/")
			require.NoError(t, err)
			defer response.Body.Close()
		}
		require.Len(t, listener.Conns(), 40)

		start := time.Now()
		require.NoError(t, server.Close())
		assert.Equal(t, http.ErrServerClosed, <-served)
		assert.Zero(t, time.Since(start))
		assert.Empty(t, listener.Conns())
		require.NoError(t, listener.Shutdown(t.Context()))
		assert.Equal(t, 150*ms, time.Since(start))
		require.NoError(t, listener.Shutdown(t.Context()), "a second time")
		web.CloseIdleConnections()
	})
}

// A client's timeout holds over a slow link, even in a bubble, where a lock
// that net/http holds for long would stop time.
func TestHTTPClientTimeoutOverASlowLink(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		body    int
		drained time.Duration
	}{
		"a slow upload": {func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }, 300 << 10, 2 * time.Second},
		"no answer":     {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 0, 500 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				listener := newMemoryListener()
				server := &http.Server{Handler: test.handler}
				served := make(chan error, 1)
				go func() { served <- server.Serve(listener) }()
				dialer := &slownet.Dialer{
					Dial:   listener.dial,
					Config: slownet.Config{Write: netem.Link{Rate: 200 * netem.Kbps, Latency: 50 * ms, Queue: netem.Queue{Bytes: 1 << 20}}, Read: netem.Link{Latency: 50 * ms}},
				}
				web := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}, Timeout: 500 * ms}
				start := time.Now()
				_, err := web.Post("http://server.test/", "", bytes.NewReader(make([]byte, test.body)))
				var timeout net.Error
				require.ErrorAs(t, err, &timeout)
				assert.True(t, timeout.Timeout())
				assert.Equal(t, 500*ms, time.Since(start))
				web.CloseIdleConnections()
				assert.NoError(t, dialer.Shutdown(t.Context()))
				assert.Greater(t, time.Since(start), test.drained, "what was written has arrived")
				require.NoError(t, server.Close())
				<-served
			})
		})
	}
}

// Shutdown waits for bytes in flight, whether the connection is closed or open,
// and closes no connection. It does not wait for an idle connection. The
// context limits the wait.
func TestShutdownWaitsForBytesInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newMemoryListener()
		dialer := &slownet.Dialer{Dial: server.dial, Config: slownet.Config{Write: netem.Link{Latency: time.Second}}}
		go func() {
			for {
				conn, err := server.Accept()
				if err != nil {
					return
				}
				go func() { _, _ = io.Copy(io.Discard, conn); _ = conn.Close() }()
			}
		}()
		var conns [3]net.Conn // closed, open, and open and idle
		for i := range conns {
			var err error
			conns[i], err = dialer.DialContext(t.Context(), "tcp", "192.0.2.1:1")
			require.NoError(t, err)
		}
		start := time.Now()
		_, err := conns[0].Write([]byte("x"))
		require.NoError(t, err)
		require.NoError(t, conns[0].Close())
		ctx, cancel := context.WithTimeout(t.Context(), 500*ms)
		defer cancel()
		err = dialer.Shutdown(ctx)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.EqualError(t, err, "slownet: shutdown: connections with something in flight: 1: context deadline exceeded")

		_, err = conns[1].Write([]byte("it is open"))
		require.NoError(t, err)
		require.NoError(t, dialer.Shutdown(t.Context()))
		assert.Equal(t, 1500*ms, time.Since(start))
		require.NoError(t, dialer.Shutdown(t.Context()), "a second time")
		assert.Equal(t, 1500*ms, time.Since(start))
		for _, conn := range conns[1:] {
			_, err = conn.Write([]byte("it still is"))
			assert.NoError(t, err)
			assert.NoError(t, conn.Close())
		}
		require.NoError(t, dialer.Shutdown(t.Context()))
		assert.Equal(t, 2500*ms, time.Since(start))
		require.NoError(t, server.Close())
	})
}

// Shutdown returns an error for bytes that are lost while it waits.
func TestShutdownReportsLostBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := newMemoryListener()
		slow := slownet.NewListener(listener, slownet.Config{Write: netem.Link{Latency: time.Second}})
		go func() {
			conn, err := slow.Accept()
			if assert.NoError(t, err) {
				_, _ = conn.Write([]byte("lost"))
				_ = conn.Close()
			}
		}()
		far, err := listener.dial(t.Context(), "", "")
		require.NoError(t, err)
		synctest.Wait()
		err = slow.Shutdown(t.Context())
		assert.ErrorContains(t, err, "the last 4 bytes that were written were discarded")
		_, err = far.Read(make([]byte, 1))
		assert.Equal(t, io.EOF, err)
	})
}

// Shutdown waits for a Dialer's datagram sockets, too.
func TestShutdownWaitsForDatagrams(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer server.Close()
	dialer := &slownet.Dialer{Config: slownet.Config{Write: netem.Link{Latency: 20 * ms}}}
	conn, err := dialer.DialContext(t.Context(), "udp", server.LocalAddr().String())
	require.NoError(t, err)
	start := time.Now()
	_, err = conn.Write([]byte("a datagram"))
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.NoError(t, dialer.Shutdown(t.Context()))
	assert.GreaterOrEqual(t, time.Since(start), 20*ms)
	n, _, err := server.ReadFrom(make([]byte, 100))
	require.NoError(t, err)
	assert.Equal(t, 10, n)
}

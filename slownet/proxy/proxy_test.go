package proxy

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/internal/tier"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listenFor serves connections until the test ends, each in a goroutine of its own.
func listenFor(t testing.TB, network, address string, serve func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen(network, address)
	require.NoError(t, err)
	var serving sync.WaitGroup
	var mu sync.Mutex
	conns := map[net.Conn]bool{}
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns[conn] = true
			mu.Unlock()
			serving.Go(func() {
				serve(conn)
				_ = conn.Close()
				mu.Lock()
				defer mu.Unlock()
				delete(conns, conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		for conn := range conns {
			_ = conn.Close()
		}
		mu.Unlock()
		serving.Wait()
	})
	return listener.Addr().String()
}

// echo sends back everything, and ends its stream when the client ends its stream.
func echo(conn net.Conn) {
	_, _ = io.Copy(conn, conn)
	_ = conn.(interface{ CloseWrite() error }).CloseWrite()
}

// newServer returns a server that is closed when the test ends.
func newServer(t testing.TB) *Server {
	s := &Server{Seed: 1}
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// addTo adds a proxy on a free port of loopback.
func addTo(t testing.TB, s *Server, c Config) *Proxy {
	t.Helper()
	if c.Name == "" {
		c.Name = "p"
	}
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	p, err := s.Add(c)
	require.NoError(t, err)
	return p
}

// dial connects a client with a deadline of ten seconds.
func dial(t testing.TB, p *Proxy) net.Conn {
	t.Helper()
	at, err := parseEndpoint(p.Config().Listen, "tcp")
	require.NoError(t, err)
	conn, err := net.Dial(at.network, at.address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	return conn
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// exchange sends bytes and checks that they come back.
func exchange(t testing.TB, conn net.Conn, data []byte) {
	t.Helper()
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() { _, _ = conn.Write(data) })
	got := make([]byte, len(data))
	_, err := io.ReadFull(conn, got)
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, got), "bytes come back as they were sent")
}

func TestBytesPass(t *testing.T) {
	at := listenFor(t, "tcp", "127.0.0.1:0", echo)
	p := addTo(t, newServer(t), Config{Upstream: at})
	conn := dial(t, p)
	for _, n := range []int{1, 1000, 3 << 20, 10} {
		exchange(t, conn, randomBytes(n))
	}
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	_, err := conn.Read(make([]byte, 1))
	assert.Equal(t, io.EOF, err)
	assert.Eventually(t, func() bool { return len(p.Conns()) == 0 }, 5*time.Second, time.Millisecond)
	assert.Equal(t, Totals{1, 0, 3<<20 + 1011, 3<<20 + 1011}, p.Totals())
}

func TestUnixSockets(t *testing.T) {
	dir, err := os.MkdirTemp("", "p")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	server, front := filepath.Join(dir, "server"), filepath.Join(dir, "front")
	listenFor(t, "unix", server, echo)
	s := newServer(t)
	p := addTo(t, s, Config{Listen: "unix:" + front, Upstream: "unix:" + server})
	exchange(t, dial(t, p), randomBytes(1<<20))
	tcp := addTo(t, s, Config{Name: "tcp", Upstream: "unix:" + server})
	exchange(t, dial(t, tcp), randomBytes(1<<20))
}

// The end of one direction does not affect the other.
func TestHalfClose(t *testing.T) {
	at := listenFor(t, "tcp", "127.0.0.1:0", func(conn net.Conn) {
		all, _ := io.ReadAll(conn) // until the client ends its stream
		_, _ = conn.Write(append([]byte("got "), all...))
	})
	p := addTo(t, newServer(t), Config{Upstream: at})
	for _, toxics := range [][]Toxic{nil, {{Stream: Upstream, Toxicity: 1, Attributes: Latency{Latency: 10 * time.Millisecond}}}} {
		for _, toxic := range toxics {
			_, err := p.AddToxic(toxic)
			require.NoError(t, err)
		}
		conn := dial(t, p)
		_, err := conn.Write([]byte("all"))
		require.NoError(t, err)
		require.NoError(t, conn.(*net.TCPConn).CloseWrite())
		answer, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.Equal(t, "got all", string(answer))
	}
}

// A reset by either end is passed on to the other, whether the connection is busy,
// idle, or half closed.
func TestResetsPass(t *testing.T) {
	heard := make(chan error, 1)
	var accepted = make(chan net.Conn, 1)
	at := listenFor(t, "tcp", "127.0.0.1:0", func(conn net.Conn) {
		accepted <- conn
		_, err := io.Copy(io.Discard, conn)
		heard <- err
	})
	p := addTo(t, newServer(t), Config{Upstream: at})
	for _, idleFor := range []time.Duration{0, 3 * idle} {
		conn := dial(t, p)
		<-accepted
		time.Sleep(idleFor)
		require.NoError(t, conn.(*net.TCPConn).SetLinger(0))
		require.NoError(t, conn.Close())
		assert.ErrorIs(t, <-heard, syscall.ECONNRESET, "by the client")

		conn = dial(t, p)
		server := <-accepted
		time.Sleep(idleFor)
		require.NoError(t, server.(*net.TCPConn).SetLinger(0))
		require.NoError(t, server.Close())
		_, err := conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ECONNRESET, "by the server")
		<-heard
	}
	if runtime.GOOS == "linux" {
		conn := dial(t, p)
		server := <-accepted
		require.NoError(t, server.(*net.TCPConn).CloseWrite())
		_, err := conn.Read(make([]byte, 1))
		assert.Equal(t, io.EOF, err)
		time.Sleep(3 * idle)
		require.NoError(t, server.(*net.TCPConn).SetLinger(0))
		require.NoError(t, server.Close())
		<-heard
		assert.Eventually(t, func() bool { _, err := conn.Write([]byte("?")); return err != nil }, 5*time.Second, time.Millisecond, "by a server that had ended its stream")
	}
}

func TestDeadUpstream(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	at := gone.Addr().String()
	require.NoError(t, gone.Close())
	s := newServer(t)
	var mu sync.Mutex // guards the variables below
	events := map[string][]ServerEventKind{}
	s.Observer = func(e ServerEvent) {
		mu.Lock()
		defer mu.Unlock()
		if e.Kind == Started || e.Kind == Stopped {
			events[e.Proxy] = append(events[e.Proxy], e.Kind)
		}
	}
	meet := func(p *Proxy) error { // connecting may fail already
		conn, err := net.Dial("tcp", p.Config().Listen)
		if err == nil {
			defer conn.Close()
			_, err = conn.Read(make([]byte, 1))
		}
		return err
	}
	assert.ErrorIs(t, meet(addTo(t, s, Config{Name: "reset", Upstream: at})), syscall.ECONNRESET)
	assert.Equal(t, io.EOF, meet(addTo(t, s, Config{Name: "close", Upstream: at, DeadUpstream: CloseClient})))

	p := addTo(t, s, Config{Name: "refuse", Upstream: at, DeadUpstream: RefuseClients})
	refuses := func() bool {
		conn, err := net.Dial("tcp", p.Config().Listen)
		if err == nil {
			_ = conn.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	}
	assert.ErrorIs(t, meet(p), syscall.ECONNRESET, "the first client finds it out")
	assert.Eventually(t, refuses, 5*time.Second, time.Millisecond)
	listenFor(t, "tcp", at, echo)
	assert.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", p.Config().Listen)
		if err != nil {
			return false
		}
		defer conn.Close()
		_, err = conn.Write([]byte("back"))
		require.NoError(t, err)
		_, err = io.ReadFull(conn, make([]byte, 4))
		return err == nil
	}, 5*time.Second, 10*time.Millisecond, "the server is back")
	require.NoError(t, p.SetEnabled(false))
	assert.Equal(t, []ServerEventKind{Started, Stopped, Started, Stopped}, events["refuse"])

	p = addTo(t, s, Config{Name: "off", Upstream: "127.0.0.1:1", DeadUpstream: RefuseClients})
	assert.ErrorIs(t, meet(p), syscall.ECONNRESET)
	assert.Eventually(t, refuses, 5*time.Second, time.Millisecond)
	require.NoError(t, p.SetEnabled(false))
	assert.Equal(t, []ServerEventKind{Started, Stopped}, events["off"], "a proxy that refuses clients does not stop again")
}

func TestEnableAndUpdate(t *testing.T) {
	at := listenFor(t, "tcp", "127.0.0.1:0", echo)
	other := listenFor(t, "tcp", "127.0.0.1:0", func(conn net.Conn) { _, _ = conn.Write([]byte("other")) })
	p := addTo(t, newServer(t), Config{Upstream: at, Disabled: true})
	require.NoError(t, p.SetEnabled(true))
	require.NoError(t, p.SetEnabled(true))
	listen := p.Config().Listen
	conn := dial(t, p)
	exchange(t, conn, []byte("hello"))

	require.NoError(t, p.SetEnabled(false))
	_, err := conn.Read(make([]byte, 1))
	assert.Error(t, err, "connections end")
	_, err = net.Dial("tcp", listen)
	assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	assert.True(t, p.Config().Disabled)

	require.NoError(t, p.Update(listen, other, true))
	got, err := io.ReadAll(dial(t, p))
	require.NoError(t, err)
	assert.Equal(t, "other", string(got))
	assert.Equal(t, listen, p.Config().Listen)
}

// On Linux an idle connection has no goroutine, even with a toxic, if the toxic holds
// nothing.
func TestIdleConnectionsHoldNoGoroutine(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("each direction has a goroutine on this system")
	}
	n := tier.Count(300, 3000)
	at := listenFor(t, "tcp", "127.0.0.1:0", func(conn net.Conn) {
		_, _ = io.ReadFull(conn, make([]byte, 1))
		_, _ = conn.Write([]byte("!"))
		_, _ = io.Copy(io.Discard, conn)
	})
	s := newServer(t)
	p := addTo(t, s, Config{Upstream: at})
	var conns []net.Conn
	for range n {
		conn := dial(t, p)
		conns = append(conns, conn)
		_, err := conn.Write([]byte("?"))
		require.NoError(t, err)
	}
	for _, conn := range conns {
		_, err := io.ReadFull(conn, make([]byte, 1))
		require.NoError(t, err)
	}
	// One goroutine of this test's server for each connection, and some of its own.
	assert.Eventually(t, func() bool { return runtime.NumGoroutine() < n+50 }, 10*time.Second, 10*time.Millisecond)
	_, err := p.AddToxic(Toxic{Toxicity: 1, Attributes: Latency{Latency: time.Millisecond}})
	require.NoError(t, err)
	assert.Eventually(t, func() bool { return runtime.NumGoroutine() < n+50 }, 10*time.Second, 10*time.Millisecond)
}

func TestDatagrams(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := server.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = server.WriteTo(buffer[:n], from)
		}
	})
	t.Cleanup(func() { _ = server.Close(); serving.Wait() })
	p := addTo(t, newServer(t), Config{Listen: "udp:127.0.0.1:0", Upstream: server.LocalAddr().String()})
	ask := func(conn net.Conn, text string) {
		t.Helper()
		_, err := conn.Write([]byte(text))
		require.NoError(t, err)
		buffer := make([]byte, 1500)
		n, err := conn.Read(buffer)
		require.NoError(t, err)
		assert.Equal(t, text, string(buffer[:n]))
	}
	a, b := dial(t, p), dial(t, p)
	ask(a, "one")
	ask(b, "two")
	assert.Len(t, p.Conns(), 2)
	for _, toxic := range []Attributes{Latency{Latency: 50 * time.Millisecond}, Link{}} {
		if _, ok := toxic.(Link); ok {
			l := Link{}
			l.Link.Latency = 50 * time.Millisecond
			toxic = l
		}
		_, err = p.AddToxic(Toxic{Name: "slow", Toxicity: 1, Attributes: toxic})
		require.NoError(t, err)
		start := time.Now()
		ask(a, "slow")
		assert.GreaterOrEqual(t, time.Since(start), 50*time.Millisecond, "%T", toxic)
		require.NoError(t, p.RemoveToxic("slow"))
	}
	ask(a, "fast")
}

package proxy

import (
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// mustAdd adds a toxic that affects all connections.
func mustAdd(t testing.TB, p *Proxy, s Stream, a Attributes) Toxic {
	t.Helper()
	toxic, err := p.AddToxic(Toxic{Stream: s, Toxicity: 1, Attributes: a})
	require.NoError(t, err)
	return toxic
}

// echoProxy returns a proxy of a server that echoes, and a connected client.
func echoProxy(t testing.TB) (*Proxy, net.Conn) {
	p := addTo(t, newServer(t), Config{Upstream: listenFor(t, "tcp", "127.0.0.1:0", echo)})
	conn := dial(t, p)
	exchange(t, conn, []byte("hello"))
	return p, conn
}

// Toxics are added, changed and removed during a connection.
func TestLatencyOfALiveConnection(t *testing.T) {
	p, conn := echoProxy(t)
	took := func() time.Duration {
		start := time.Now()
		exchange(t, conn, []byte("ping"))
		return time.Since(start)
	}
	mustAdd(t, p, Downstream, Latency{Latency: 60 * ms})
	mustAdd(t, p, Upstream, Latency{Latency: 40 * ms})
	assert.GreaterOrEqual(t, took(), 100*ms)
	_, err := p.UpdateToxic("latency_downstream", []byte(`{"attributes": {"latency": 160}}`))
	require.NoError(t, err)
	assert.GreaterOrEqual(t, took(), 200*ms)
	require.NoError(t, p.RemoveToxic("latency_downstream"))
	require.NoError(t, p.RemoveToxic("latency_upstream"))
	assert.Less(t, took(), 40*ms*10)
	exchange(t, conn, randomBytes(4<<20))
}

func TestBandwidthIsForEachConnectionOrShared(t *testing.T) {
	for _, scope := range []Scope{PerConnection, PerProxy} {
		p, a := echoProxy(t)
		b := dial(t, p)
		exchange(t, b, []byte("hello"))
		_, err := p.AddToxic(Toxic{Toxicity: 1, Scope: scope, Attributes: Bandwidth{8 * netem.Mbps}})
		require.NoError(t, err)
		start := time.Now()
		var both sync.WaitGroup
		for _, conn := range []net.Conn{a, b} {
			both.Go(func() { exchange(t, conn, randomBytes(200_000)) })
		}
		both.Wait()
		want := 200 * ms
		if scope == PerProxy {
			want = 400 * ms
		}
		assert.GreaterOrEqual(t, time.Since(start), want-maxLate)
	}
}

func TestScopeServer(t *testing.T) {
	s := newServer(t)
	at := listenFor(t, "tcp", "127.0.0.1:0", echo)
	start := time.Now()
	var all sync.WaitGroup
	for _, name := range []string{"a", "b"} {
		p := addTo(t, s, Config{Name: name, Upstream: at, Toxics: []Toxic{{Toxicity: 1, Scope: PerServer, Attributes: LimitData{100_000}}}})
		conn := dial(t, p)
		all.Go(func() {
			_, _ = conn.Write(make([]byte, 200_000))
			_, _ = io.Copy(io.Discard, conn)
		})
	}
	all.Wait()
	sum := int64(0)
	for _, p := range s.Proxies() {
		sum += p.Totals().Down
	}
	assert.EqualValues(t, 100_000, sum)
	assert.Less(t, time.Since(start), 10*time.Second)
}

func TestResetPeerOfAnIdleConnection(t *testing.T) {
	for _, s := range []Stream{Upstream, Downstream} {
		p, conn := echoProxy(t)
		time.Sleep(3 * idle)
		start := time.Now()
		mustAdd(t, p, s, ResetPeer{50 * ms})
		_, err := conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ECONNRESET)
		assert.GreaterOrEqual(t, time.Since(start), 50*ms)

		late := dial(t, p)
		_, err = late.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ECONNRESET, "a later one")
	}
}

func TestTimeout(t *testing.T) {
	p, conn := echoProxy(t)
	start := time.Now()
	mustAdd(t, p, Upstream, Timeout{50 * ms})
	_, err := conn.Write([]byte("lost"))
	require.NoError(t, err)
	_, err = conn.Read(make([]byte, 1))
	assert.Equal(t, io.EOF, err)
	assert.GreaterOrEqual(t, time.Since(start), 50*ms)

	p, conn = echoProxy(t)
	mustAdd(t, p, Upstream, Timeout{})
	_, err = conn.Write([]byte("lost"))
	require.NoError(t, err)
	require.NoError(t, p.RemoveToxic("timeout_upstream"))
	_, err = conn.Read(make([]byte, 1))
	assert.Equal(t, io.EOF, err, "bytes are missing")
}

func TestLimitData(t *testing.T) {
	p, conn := echoProxy(t)
	mustAdd(t, p, Downstream, LimitData{1000})
	_, err := conn.Write(randomBytes(5000))
	require.NoError(t, err)
	got, err := io.ReadAll(conn)
	require.NoError(t, err, "the last bytes are not followed by a reset")
	assert.Equal(t, randomBytes(1000), got)
	assert.Eventually(t, func() bool { return len(p.Conns()) == 0 }, 5*time.Second, ms)
}

func TestSlowClose(t *testing.T) {
	p, conn := echoProxy(t)
	mustAdd(t, p, Downstream, SlowClose{60 * ms})
	start := time.Now()
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	_, err := conn.Read(make([]byte, 1))
	assert.Equal(t, io.EOF, err)
	assert.GreaterOrEqual(t, time.Since(start), 60*ms)
}

// A control call returns while an end reads nothing, and the waiting bytes are not
// lost.
func TestChangesWhileAWriteIsBlocked(t *testing.T) {
	release := make(chan struct{})
	got := make(chan int64, 1)
	p := addTo(t, newServer(t), Config{Upstream: listenFor(t, "tcp", "127.0.0.1:0", func(conn net.Conn) {
		<-release
		n, _ := io.Copy(io.Discard, conn)
		got <- n
	})})
	conn := dial(t, p)
	sent := int64(0)
	require.NoError(t, conn.SetWriteDeadline(time.Now().Add(300*ms)))
	for {
		n, err := conn.Write(make([]byte, 64<<10))
		sent += int64(n)
		if err != nil {
			break
		}
	}
	start := time.Now()
	for _, a := range []Attributes{Latency{Latency: ms}, Bandwidth{}, Slicer{AverageSize: 1000}, Link{Link: netem.Link{Latency: ms}}, Noop{}} {
		name := mustAdd(t, p, Upstream, a).Name
		_, err := p.SetToxic(name, a, 1)
		require.NoError(t, err)
		require.NoError(t, p.RemoveToxic(name))
	}
	assert.Less(t, time.Since(start), time.Second)
	close(release)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	assert.Equal(t, sent, <-got)
}

func TestLink(t *testing.T) {
	p, conn := echoProxy(t)
	for _, a := range []Link{
		{Link: netem.Link{Latency: 30 * ms}},
		{Profile: &netem.Profile{Name: "p", Down: netem.Link{Latency: 20 * ms}, Up: netem.Link{Latency: 40 * ms}}},
	} {
		_, err := p.AddToxic(Toxic{Name: "link", Stream: Both, Toxicity: 1, Attributes: a})
		require.NoError(t, err)
		for _, c := range []net.Conn{conn, dial(t, p)} {
			start := time.Now()
			exchange(t, c, []byte("ping"))
			assert.GreaterOrEqual(t, time.Since(start), 60*ms)
		}
		_, err = p.AddToxic(Toxic{Name: "second", Toxicity: 1, Attributes: Link{}})
		assert.EqualError(t, err, `the stream already has a link, the toxic "link": change it, or remove it first`)
		require.NoError(t, p.RemoveToxic("link"))
	}
	exchange(t, conn, randomBytes(1<<20))
}

// Links of several proxies share a bottleneck by its name.
func TestBottleneck(t *testing.T) {
	s := newServer(t)
	at := listenFor(t, "tcp", "127.0.0.1:0", echo)
	var conns []net.Conn
	for _, name := range []string{"a", "b"} {
		p := addTo(t, s, Config{Name: name, Upstream: at, Toxics: []Toxic{{Stream: Downstream, Toxicity: 1, Attributes: Link{Bottleneck: "line", BottleneckRate: 8 * netem.Mbps, Congestion: netem.Unlimited}}}})
		conns = append(conns, dial(t, p))
	}
	start := time.Now()
	var both sync.WaitGroup
	for _, conn := range conns {
		both.Go(func() { exchange(t, conn, randomBytes(200_000)) })
	}
	both.Wait()
	assert.GreaterOrEqual(t, time.Since(start), 400*ms-maxLate)

	// A later rate replaces it.
	_, err := s.Proxy("a").UpdateToxic("link_downstream", []byte(`{"attributes": {"bottleneck": {"name": "line", "rate": "800kbit/s"}}}`))
	require.NoError(t, err)
	start = time.Now()
	exchange(t, conns[1], randomBytes(40_000))
	assert.GreaterOrEqual(t, time.Since(start), 400*ms-maxLate)

	_, err = s.Proxy("a").AddToxic(Toxic{Name: "x", Stream: Upstream, Toxicity: 1, Attributes: Link{Bottleneck: "other", Congestion: netem.Unlimited}})
	assert.ErrorContains(t, err, `there is no bottleneck "other"`)
}

func TestTrace(t *testing.T) {
	var mu sync.Mutex
	bytes := map[slownet.Direction]int{}
	s := &Server{Trace: func(e trace.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Kind == trace.Data {
			bytes[slownet.DirectionOf(e)] += e.Length
		}
	}}
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	p := addTo(t, s, Config{Upstream: listenFor(t, "tcp", "127.0.0.1:0", echo)})
	exchange(t, dial(t, p), []byte("hello"))
	assert.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return bytes[slownet.Read] == 5 && bytes[slownet.Write] == 5
	}, 5*time.Second, ms)
}

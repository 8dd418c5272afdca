// Package toxiproxy_test drives our proxy with Toxiproxy's own Go client.
package toxiproxy_test

import (
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/integration/internal/apitest"
	"github.com/slowpoetry/slowpoetry/slownet/proxy"
)

// setUp returns a client of a server of ours, and the address of an echo server.
func setUp(t *testing.T) (client *toxiproxy.Client, upstream string) {
	api, echo := apitest.Serve(t, &proxy.API{})
	return toxiproxy.NewClient(api), echo
}

func dial(t *testing.T, at string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", at)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return conn
}

// exchange sends bytes, checks that the same number comes back, and returns the time.
func exchange(t *testing.T, conn net.Conn, n int) time.Duration {
	t.Helper()
	start := time.Now()
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() { _, _ = conn.Write(make([]byte, n)) })
	_, err := io.ReadFull(conn, make([]byte, n))
	require.NoError(t, err)
	return time.Since(start)
}

func TestProxies(t *testing.T) {
	client, upstream := setUp(t)
	p, err := client.CreateProxy("db", "127.0.0.1:0", upstream)
	require.NoError(t, err)
	exchange(t, dial(t, p.Listen), 10)
	all, err := client.Proxies()
	require.NoError(t, err)
	require.Contains(t, all, "db")
	assert.Equal(t, p.Listen, all["db"].Listen)

	require.NoError(t, p.Disable())
	_, err = net.Dial("tcp", p.Listen)
	assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.NoError(t, p.Enable())
	exchange(t, dial(t, p.Listen), 10)

	_, err = client.CreateProxy("db", "127.0.0.1:0", upstream)
	assert.EqualError(t, err, "Create: HTTP 409: proxy already exists")
	populated, err := client.Populate([]toxiproxy.Proxy{{Name: "db", Listen: p.Listen, Upstream: upstream, Enabled: true}, {Name: "web", Listen: "127.0.0.1:0", Upstream: upstream, Enabled: true}})
	require.NoError(t, err)
	require.Len(t, populated, 2)
	exchange(t, dial(t, populated[1].Listen), 10)
	require.NoError(t, p.Delete())
	_, err = client.Proxy("db")
	assert.ErrorContains(t, err, "proxy not found")
	version, err := client.Version()
	require.NoError(t, err)
	assert.Contains(t, string(version), proxy.ToxiproxyVersion)
}

func TestToxics(t *testing.T) {
	client, upstream := setUp(t)
	p, err := client.CreateProxy("db", "127.0.0.1:0", upstream)
	require.NoError(t, err)
	with := func(kind, stream string, attributes toxiproxy.Attributes, do func(conn net.Conn)) {
		t.Helper()
		toxic, err := p.AddToxic("", kind, stream, 1, attributes)
		require.NoError(t, err)
		assert.Equal(t, kind+"_"+stream, toxic.Name)
		do(dial(t, p.Listen))
		require.NoError(t, p.RemoveToxic(toxic.Name))
	}
	with("latency", "upstream", toxiproxy.Attributes{"latency": 60, "jitter": 5}, func(conn net.Conn) {
		assert.GreaterOrEqual(t, exchange(t, conn, 1), 55*time.Millisecond)
		_, err := p.UpdateToxic("latency_upstream", 1, toxiproxy.Attributes{"latency": 120})
		require.NoError(t, err)
		assert.GreaterOrEqual(t, exchange(t, conn, 1), 115*time.Millisecond)
	})
	with("bandwidth", "downstream", toxiproxy.Attributes{"rate": 1000}, func(conn net.Conn) {
		assert.GreaterOrEqual(t, exchange(t, conn, 300_000), 200*time.Millisecond)
	})
	with("slow_close", "upstream", toxiproxy.Attributes{"delay": 60}, func(conn net.Conn) {
		start := time.Now()
		require.NoError(t, conn.(*net.TCPConn).CloseWrite())
		_, err := conn.Read(make([]byte, 1))
		assert.Equal(t, io.EOF, err)
		assert.GreaterOrEqual(t, time.Since(start), 60*time.Millisecond)
	})
	with("timeout", "downstream", toxiproxy.Attributes{"timeout": 60}, func(conn net.Conn) {
		_, err := conn.Read(make([]byte, 1))
		assert.Equal(t, io.EOF, err)
	})
	with("reset_peer", "upstream", toxiproxy.Attributes{"timeout": 30}, func(conn net.Conn) {
		_, err := conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ECONNRESET, "of an idle connection")
	})
	with("slicer", "downstream", toxiproxy.Attributes{"average_size": 100, "size_variation": 20, "delay": 10}, func(conn net.Conn) { exchange(t, conn, 20_000) })
	with("limit_data", "downstream", toxiproxy.Attributes{"bytes": 100}, func(conn net.Conn) {
		_, err := conn.Write(make([]byte, 1000))
		require.NoError(t, err)
		got, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.Len(t, got, 100)
	})
	_, err = p.AddToxic("", "profile", "downstream", 1, nil)
	assert.EqualError(t, err, "AddToxic: HTTP 400: invalid toxic type")
	link, err := p.AddToxic("3g", "link", "both", 1, toxiproxy.Attributes{"profile": "webpagetest/3g"})
	require.NoError(t, err)
	assert.Equal(t, toxiproxy.Attributes{"profile": "webpagetest/3g"}, link.Attributes)
	assert.GreaterOrEqual(t, exchange(t, dial(t, p.Listen), 1), 600*time.Millisecond, "connecting and asking")
	require.NoError(t, client.ResetState())
	toxics, err := p.Toxics()
	require.NoError(t, err)
	assert.Empty(t, toxics)
}

// Toxics are added and removed while bytes pass, and none is lost.
func TestRemovalUnderLoad(t *testing.T) {
	client, upstream := setUp(t)
	p, err := client.CreateProxy("db", "127.0.0.1:0", upstream)
	require.NoError(t, err)
	stop := make(chan struct{})
	var traffic sync.WaitGroup
	for i := range 20 {
		conn := dial(t, p.Listen)
		traffic.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					exchange(t, conn, 1000*(i+1))
				}
			}
		})
	}
	slowest := time.Duration(0)
	for i := range 60 {
		start := time.Now()
		name := fmt.Sprint("toxic", i)
		_, err := p.AddToxic(name, []string{"latency", "bandwidth", "slicer"}[i%3], []string{"upstream", "downstream"}[i%2], 1,
			[]toxiproxy.Attributes{{"latency": 5}, {"rate": 10_000}, {"average_size": 500}}[i%3])
		require.NoError(t, err)
		require.NoError(t, p.RemoveToxic(name))
		slowest = max(slowest, time.Since(start))
	}
	close(stop)
	traffic.Wait()
	assert.Less(t, slowest, 2*time.Second)
}

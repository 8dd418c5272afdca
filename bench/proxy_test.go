package bench

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/proxy"
)

// BenchmarkProxyRate measures the rate through a proxy, relative to the rate of its
// bandwidth toxic.
func BenchmarkProxyRate(b *testing.B) {
	for _, rate := range []netem.Rate{56 * netem.Kbps, netem.Mbps, 10 * netem.Mbps, 100 * netem.Mbps, 800 * netem.Mbps} {
		b.Run("rate="+strings.TrimSuffix(rate.String(), "/s"), func(b *testing.B) {
			measure := func(start func(*testing.B) *proxyProcess) func(*testing.B) {
				return func(b *testing.B) {
					from, to := start(b).pair(b, "bandwidth", toxiproxy.Attributes{"rate": int64(rate) / 8000})
					measureRate(b, float64(rate), from, to)
				}
			}
			sideBySide(b, contender{"ours", measure(startOurs)}, contender{"toxiproxy", measure(startToxiproxy)})
		})
	}
}

// BenchmarkProxyLatency measures the delay of small messages through a proxy, beyond the
// latency of its toxic.
func BenchmarkProxyLatency(b *testing.B) {
	for _, asked := range []time.Duration{ms, 20 * ms, 200 * ms} {
		b.Run(fmt.Sprintf("latency=%v", asked), func(b *testing.B) {
			measure := func(start func(*testing.B) *proxyProcess) func(*testing.B) {
				return func(b *testing.B) {
					from, to := start(b).pair(b, "latency", toxiproxy.Attributes{"latency": asked.Milliseconds()})
					measureLatency(b, asked, from, to)
				}
			}
			sideBySide(b, contender{"ours", measure(startOurs)}, contender{"toxiproxy", measure(startToxiproxy)})
		})
	}
}

// BenchmarkProxyBulk measures the throughput of a proxy without toxics. The proxy and
// both ends share the processors. "plain" is a proxy that consists of two calls of io.Copy.
// It runs in this process, like "embedded"; "plain-process" is the same proxy in a process
// of its own, like the remaining contenders.
func BenchmarkProxyBulk(b *testing.B) {
	process := func(start func(*testing.B) *proxyProcess) func(*testing.B) {
		return func(b *testing.B) {
			from, to := start(b).pair(b, "", nil)
			measureBulk(b, [2]net.Conn{from, to})
		}
	}
	sideBySide(b,
		contender{"plain", func(b *testing.B) {
			front, upstream := listen(b), listen(b)
			go plainProxy(front, upstream.Addr().String())
			measureBulk(b, accepted(b, upstream, front.Addr().String()))
		}},
		contender{"embedded", func(b *testing.B) {
			s, upstream := &proxy.Server{}, listen(b)
			b.Cleanup(func() { _ = s.Close() })
			p, err := s.Add(proxy.Config{Name: "p", Listen: "127.0.0.1:0", Upstream: upstream.Addr().String()})
			require.NoError(b, err)
			measureBulk(b, accepted(b, upstream, p.Config().Listen))
		}},
		contender{"ours", process(startOurs)},
		contender{"plain-process", func(b *testing.B) {
			upstream := listen(b)
			measureBulk(b, accepted(b, upstream, startPlain(b, upstream.Addr().String())))
		}},
		contender{"toxiproxy", process(startToxiproxy)},
	)
}

// plainUpstream is the environment variable that makes this program a plain proxy. Its
// value is the address of the upstream.
const plainUpstream = "BENCH_PLAIN_UPSTREAM"

// runPlain runs a plain proxy for one connection. It prints its address.
func runPlain(upstream string) {
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(front.Addr())
	plainProxy(front, upstream)
}

// startPlain starts a plain proxy in a process of its own. It returns the address.
func startPlain(b *testing.B, upstream string) string {
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), plainUpstream+"="+upstream)
	out, err := command.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, command.Start())
	b.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(b, err)
	return strings.TrimSpace(address)
}

func listen(b *testing.B) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	b.Cleanup(func() { _ = l.Close() })
	return l
}

// accepted returns both ends of a connection through a proxy.
func accepted(b *testing.B, upstream net.Listener, at string) (ends [2]net.Conn) {
	var err error
	ends[1], err = net.Dial("tcp", at)
	require.NoError(b, err)
	ends[0], err = upstream.Accept()
	require.NoError(b, err)
	return ends
}

// plainProxy is the simplest possible proxy in Go.
func plainProxy(front net.Listener, upstream string) {
	client, err := front.Accept()
	if err != nil {
		return
	}
	server, err := net.Dial("tcp", upstream)
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(client, server)
	_ = client.Close()
	_ = server.Close()
}

// measureBulk sends bulk data from the first end to the second.
func measureBulk(b *testing.B, ends [2]net.Conn) {
	from, to := ends[0], ends[1]
	total := quickOr(64<<20, 4<<30)
	var sending sync.WaitGroup
	start := time.Now()
	sending.Go(func() {
		defer from.Close()
		for buffer, left := make([]byte, 128<<10), total; left > 0; left -= len(buffer) {
			if _, err := from.Write(buffer); err != nil {
				b.Error(err)
				return
			}
		}
	})
	got := 0
	for buffer := make([]byte, 128<<10); got < total; {
		n, err := to.Read(buffer)
		got += n
		require.NoError(b, err)
	}
	elapsed := time.Since(start)
	require.NoError(b, to.Close())
	sending.Wait()
	b.ReportMetric(float64(got)/1e6/elapsed.Seconds(), "MB/s")
	b.ReportMetric(0, "ns/op")
}

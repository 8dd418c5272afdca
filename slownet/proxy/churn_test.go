package proxy

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// Toxics are added, changed and removed under load: no call takes a second, no byte
// is lost, and nothing is left.
func TestChurn(t *testing.T) {
	conns, changes, clients := tier.Pick(40, 200), tier.Pick(800, 10_000), 8
	before := runtime.NumGoroutine()
	s := newServer(t)
	at := listenFor(t, "tcp", "127.0.0.1:0", echo)
	p := addTo(t, s, Config{Upstream: at})
	var traffic, control sync.WaitGroup
	stop := make(chan struct{})
	var passed atomic.Int64
	for i := range conns {
		conn, err := net.Dial("tcp", p.Config().Listen)
		require.NoError(t, err)
		data := randomBytes(1 + i*97)
		traffic.Go(func() {
			defer conn.Close()
			got := make([]byte, len(data))
			for {
				select {
				case <-stop:
					return
				default:
				}
				_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
				_, err := conn.Write(data)
				if !assert.NoError(t, err) {
					return
				}
				if _, err = io.ReadFull(conn, got); !assert.NoError(t, err) || !assert.Equal(t, data, got) {
					return
				}
				passed.Add(int64(len(data)))
			}
		})
	}
	var slowest atomic.Int64
	for c := range clients {
		control.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(c)))
			name := fmt.Sprint("toxic", c)
			has := false
			for range changes / clients {
				a := []Attributes{Latency{Latency: 2 * ms, Jitter: ms}, Bandwidth{80 * netem.Mbps}, Slicer{AverageSize: 500, SizeVariation: 100}, SlowClose{ms}, Noop{}, LimitData{1 << 40}}[r.IntN(6)]
				if c == 0 {
					a = Link{Link: netem.Link{Latency: ms}}
				}
				start := time.Now()
				var err error
				switch {
				case !has:
					_, err = p.AddToxic(Toxic{Name: name, Stream: Stream(r.IntN(2)), Toxicity: []float32{0.5, 1}[r.IntN(2)], Attributes: a})
					has = true
				case r.IntN(2) == 0:
					var is Toxic
					is, _ = p.Toxic(name)
					_, err = p.SetToxic(name, is.Attributes, 1)
				default:
					err = p.RemoveToxic(name)
					has = false
				}
				if !assert.NoError(t, err) {
					return
				}
				if took := int64(time.Since(start)); took > slowest.Load() {
					slowest.Store(took)
				}
			}
		})
	}
	control.Wait()
	require.NoError(t, s.Reset())
	close(stop)
	traffic.Wait()
	assert.Less(t, time.Duration(slowest.Load()), time.Second)
	t.Logf("%d bytes, the slowest call took %v", passed.Load(), time.Duration(slowest.Load()))
	assert.Positive(t, passed.Load())
	assert.Eventually(t, func() bool { return len(p.Conns()) == 0 && runtime.NumGoroutine() < before+10 }, 10*time.Second, 10*ms)
}

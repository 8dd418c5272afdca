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

// A traffic is a group of connections through a proxy to an echo server. They are never idle.
type traffic struct {
	running sync.WaitGroup
	stopped chan struct{}
	passed  atomic.Int64 // bytes there and back
	breaks  atomic.Bool  // connections may end
}

// startTraffic opens connections. Each sends data of its own length, and checks that it comes
// back, again and again.
func startTraffic(t *testing.T, p *Proxy, conns int) *traffic {
	tr := &traffic{stopped: make(chan struct{})}
	for i := range conns {
		conn, err := net.Dial("tcp", p.Config().Listen)
		require.NoError(t, err)
		data := randomBytes(1 + i*97)
		tr.running.Go(func() {
			defer conn.Close()
			got := make([]byte, len(data))
			for {
				select {
				case <-tr.stopped:
					return
				default:
				}
				_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
				_, err := conn.Write(data)
				if err == nil {
					_, err = io.ReadFull(conn, got)
				}
				if err != nil && tr.breaks.Load() || !assert.NoError(t, err) || !assert.Equal(t, data, got) {
					return
				}
				tr.passed.Add(int64(len(data)))
			}
		})
	}
	return tr
}

// A lateness is the longest time for which a goroutine waited for a processor while a test
// ran.
type lateness struct {
	running sync.WaitGroup
	stopped chan struct{}
	longest time.Duration
}

func measureLateness() *lateness {
	l := &lateness{stopped: make(chan struct{})}
	l.running.Go(func() {
		for {
			start := time.Now()
			select {
			case <-l.stopped:
				return
			case <-time.After(ms):
				l.longest = max(l.longest, time.Since(start)-ms)
			}
		}
	})
	return l
}

// limit ends the measurement, and returns the maximum time of a call: a second. On a
// machine so busy that a goroutine that only sleeps is late by a third of that, it adds
// three times the lateness: a call waits for the lock of the proxy, for a processor when it
// is preempted, and for busy connections.
func (l *lateness) limit() time.Duration {
	close(l.stopped)
	l.running.Wait()
	if l.longest < time.Second/3 {
		return time.Second
	}
	return time.Second + 3*l.longest
}

// stop ends the traffic, and returns the number of bytes that came back.
func (tr *traffic) stop() int64 {
	close(tr.stopped)
	tr.running.Wait()
	return tr.passed.Load()
}

// Toxics are added, changed and removed under load: no call takes a second, no byte
// is lost, and no toxic or connection remains.
func TestChurn(t *testing.T) {
	conns, changes, clients := tier.Pick(40, 200), tier.Pick(800, 10_000), 8
	before := runtime.NumGoroutine()
	s := newServer(t)
	at := listenFor(t, "tcp", "127.0.0.1:0", echo)
	p := addTo(t, s, Config{Upstream: at})
	traffic := startTraffic(t, p, conns)
	late := measureLateness()
	var control sync.WaitGroup
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
	limit := late.limit()
	require.NoError(t, s.Reset())
	passed := traffic.stop()
	assert.Less(t, time.Duration(slowest.Load()), limit)
	t.Logf("%d bytes, the slowest call took %v, of %v", passed, time.Duration(slowest.Load()), limit)
	assert.Positive(t, passed)
	assert.Eventually(t, func() bool { return len(p.Conns()) == 0 && runtime.NumGoroutine() < before+10 }, 10*time.Second, 10*ms)
}

// Other calls, each of which concerns all connections, do not take a second under load either.
func TestCallsUnderLoad(t *testing.T) {
	p := addTo(t, newServer(t), Config{Upstream: listenFor(t, "tcp", "127.0.0.1:0", echo)})
	traffic := startTraffic(t, p, tier.Pick(40, 200))
	mustAdd(t, p, Downstream, Link{Link: netem.Link{Latency: ms}})
	late := measureLateness()
	slowest := map[string]time.Duration{}
	took := func(name string, call func()) {
		start := time.Now()
		call()
		slowest[name] = max(slowest[name], time.Since(start))
	}
	for range tier.Pick(5, 100) {
		took("connections", func() { p.Conns() })
		took("totals", func() { p.Totals() })
		took("config", func() { p.Config() })
		took("record", func() { p.Record(Recording{Enabled: true}) })
		took("stop recording", p.ForgetRecording)
		took("add", func() { mustAdd(t, p, Upstream, Latency{Latency: ms}) })
		took("remove", func() { assert.NoError(t, p.RemoveToxic("latency_upstream")) })
	}
	traffic.breaks.Store(true)
	took("disable", func() { assert.NoError(t, p.SetEnabled(false)) })
	limit := late.limit()
	assert.Empty(t, p.Conns())
	assert.Positive(t, traffic.stop())
	t.Log(slowest, "of", limit)
	for name, most := range slowest {
		assert.Less(t, most, limit, name)
	}
}

package proxy

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A control call does not wait for the lock of a connection. The holder of the lock applies
// the change before it releases the lock.
func TestFollowWithoutWaiting(t *testing.T) {
	p, conn := echoProxy(t)
	f := &p.all()[0].flows[Upstream]
	f.followLock.mu.Lock()
	start := time.Now()
	mustAdd(t, p, Upstream, Latency{Latency: time.Hour})
	_, err := p.SetToxic("latency_upstream", Latency{Latency: 60 * ms}, 1)
	require.NoError(t, err)
	assert.Less(t, time.Since(start), 5*time.Second)
	assert.Empty(t, f.line.stages)
	assert.True(t, f.isBehind())
	f.unlock()
	assert.False(t, f.isBehind())
	p.interruption.await(nil) // until the reader has left the socket
	start = time.Now()
	exchange(t, conn, []byte("late"))
	assert.GreaterOrEqual(t, time.Since(start), 60*ms)
}

// A change of the toxics of one direction does not affect the other direction, and starts
// no goroutine there.
func TestFollowOnlyWhatConcerns(t *testing.T) {
	p, _ := echoProxy(t)
	time.Sleep(3 * idle)
	f := &p.all()[0].flows[Downstream]
	mustAdd(t, p, Downstream, Latency{Latency: ms})
	f.lock()
	is := &f.line.stages[0]
	f.unlock()
	mustAdd(t, p, Upstream, Latency{Latency: ms})
	f.lock()
	defer f.unlock()
	assert.Same(t, is, &f.line.stages[0])
	assert.False(t, f.writing)
}

// Close waits for the goroutines of connections.
func TestCloseWaits(t *testing.T) {
	s := &Server{}
	p := addTo(t, s, Config{Upstream: listenFor(t, "tcp", "127.0.0.1:0", echo)})
	before := runtime.NumGoroutine()
	for range 20 {
		conn := dial(t, p)
		exchange(t, conn, []byte("hello"))
		mustAdd(t, p, Upstream, Latency{Latency: time.Hour})
		_, err := conn.Write([]byte("held"))
		require.NoError(t, err)
		require.NoError(t, p.RemoveToxic("latency_upstream"))
	}
	require.NoError(t, s.Close())
	assert.Zero(t, s.running.n.Load())
	assert.Eventually(t, func() bool { return runtime.NumGoroutine() <= before }, 10*time.Second, ms)
}

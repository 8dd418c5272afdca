package proxy

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// awaitFollowed waits until all connections have followed the changes so far, and no
// reader is in a socket that it must leave. A control call waits for this only briefly: on
// a busy machine a reader can still be in its socket when the call returns, and the bytes
// that it then reads bypass the change.
func awaitFollowed(t *testing.T, p *Proxy) {
	t.Helper()
	hasFollowed := func(f *flow) bool {
		f.lock()
		defer f.unlock()
		return f.left == nil
	}
	require.Eventually(t, func() bool {
		return !slices.ContainsFunc(p.all(), func(c *conn) bool { return !hasFollowed(&c.flows[Upstream]) || !hasFollowed(&c.flows[Downstream]) })
	}, 10*time.Second, ms)
}

// awaitIdle waits until a flow is left to the poller, if there is one.
func awaitIdle(t *testing.T, f *flow) {
	t.Helper()
	require.Eventually(t, func() bool {
		f.lock()
		defer f.unlock()
		return f.polled == nil || f.reader == readerPolled
	}, 10*time.Second, ms)
}

// A control call does not wait for the lock of a connection. The holder of the lock applies
// the change before it releases the lock.
func TestFollowWithoutWaiting(t *testing.T) {
	p, conn := echoProxy(t)
	f := &p.all()[0].flows[Upstream]
	awaitIdle(t, f) // so that the lock has no other holder
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
	awaitFollowed(t, p)
	start = time.Now()
	exchange(t, conn, []byte("late"))
	assert.GreaterOrEqual(t, time.Since(start), 60*ms)
}

// A call whose time is over leaves the remaining connections to the background.
func TestFollowOutOfTime(t *testing.T) {
	p, conn := echoProxy(t)
	for range 4 {
		exchange(t, dial(t, p), []byte("hello"))
	}
	for _, c := range p.all() { // so that nothing else takes the locks
		awaitIdle(t, &c.flows[Upstream])
		awaitIdle(t, &c.flows[Downstream])
	}
	p.set.Store(&toxicSet{[]*toxic{{Toxic: Toxic{Name: "slow", Stream: Upstream, Toxicity: 1, Attributes: Latency{Latency: 60 * ms}}, number: 1}}})
	p.followUntil(time.Now().Add(-ms))
	require.Eventually(t, func() bool {
		return !slices.ContainsFunc(p.followers(), follower.isBehind)
	}, 10*time.Second, ms)
	awaitFollowed(t, p)
	start := time.Now()
	exchange(t, conn, []byte("late"))
	assert.GreaterOrEqual(t, time.Since(start), 60*ms)
}

// A change of the toxics of one direction does not affect the other direction, and starts
// no goroutine there.
func TestChangeAffectsOnlyItsDirection(t *testing.T) {
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

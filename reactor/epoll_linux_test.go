package reactor_test

import (
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/reactor"
)

// An askedClock counts the calls of Now.
type askedClock struct {
	clock.Clock
	asked atomic.Int64
}

func (c *askedClock) Now() time.Time {
	c.asked.Add(1)
	return c.Clock.Now()
}

// A socket that the loop has closed does not wake the loop, even if a copy of its
// descriptor is still open.
func TestClosedSocketWithACopy(t *testing.T) {
	near, far := socketPair(t, "tcp", "127.0.0.1:0")
	defer far.Close()
	file, err := near.(*net.TCPConn).File()
	require.NoError(t, err)
	defer file.Close()
	other, otherFar := socketPair(t, "tcp", "127.0.0.1:0")
	defer otherFar.Close()

	counting := &askedClock{Clock: clock.New()}
	r := reactor.Reactor{Clock: counting}
	kept := r.Add(other, newCollector(1))
	r.Add(near, reactor.HandlerFunc(func(c *reactor.Conn) { _ = c.Close() }))
	_, err = far.Write([]byte("nobody reads this"))
	require.NoError(t, err)
	r.Go(func() { time.Sleep(100 * time.Millisecond) }, func() { _ = kept.Close() })
	require.NoError(t, r.Run())
	assert.Less(t, counting.asked.Load(), int64(100))
}

// Sockets have no goroutines: epoll waits for all of them.
func TestSocketsTakeNoGoroutines(t *testing.T) {
	const sockets = 20
	var r reactor.Reactor
	var conns []*reactor.Conn
	var fars []net.Conn
	for range sockets {
		near, far := socketPair(t, "tcp", "127.0.0.1:0")
		conns, fars = append(conns, r.Add(near, newCollector(1))), append(fars, far)
	}
	before := runtime.NumGoroutine()
	r.Go(func() { time.Sleep(50 * time.Millisecond) }, func() {
		assert.Less(t, runtime.NumGoroutine(), before+sockets/2)
		for i, c := range conns {
			_ = c.Close()
			_ = fars[i].Close()
		}
	})
	require.NoError(t, r.Run())
}

// Calls that the loop queues for itself run at once, even if no socket becomes
// readable.
func TestCallsFromTheLoopBesideSilentSockets(t *testing.T) {
	near, far := socketPair(t, "tcp", "127.0.0.1:0")
	defer far.Close()
	rescue := time.AfterFunc(10*time.Second, func() { _ = far.Close() })
	defer rescue.Stop()
	var r reactor.Reactor
	start, calls := time.Now(), 0
	c := newCollector(1)
	conn := r.Add(near, c)
	var again func()
	again = func() {
		if calls++; calls == 100 {
			_ = conn.Close()
			return
		}
		r.Call(again)
	}
	r.AfterFunc(ms, again)
	require.NoError(t, r.Run())
	assert.Equal(t, 100, calls)
	assert.NoError(t, c.err)
	assert.Less(t, time.Since(start), 5*time.Second)
}

// A handler that has read everything from a socket is not called again without
// need, although it has not checked whether there is more.
func TestSocketHandlerIsNotCalledWithoutNeed(t *testing.T) {
	near, far := socketPair(t, "tcp", "127.0.0.1:0")
	var r reactor.Reactor
	c := newCollector(100)
	r.Add(near, c)
	r.Go(func() {
		for _, word := range []string{"one ", "two"} {
			_, err := io.WriteString(far, word)
			assert.NoError(t, err)
			time.Sleep(20 * ms) // until the word was read
		}
		_ = far.Close()
	}, func() {})
	require.NoError(t, r.Run())
	assert.Equal(t, "one two", c.data.String())
	assert.LessOrEqual(t, c.turns, 3, "one for each word, and one for the end")
}

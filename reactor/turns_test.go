package reactor_test

import (
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/reactor"
)

// A busyConn always has one more byte to read.
type busyConn struct {
	net.Conn      // nil
	says     bool // reports at every read that it is readable
	notify   func()
}

func (c *busyConn) NotifyReadable(f func()) {
	if c.notify = f; f != nil {
		f()
	}
}

func (c *busyConn) TryRead(p []byte) (int, error) {
	if c.says {
		c.notify()
	}
	return copy(p, "x"), nil
}

func (c *busyConn) Close() error { return nil }

// Handlers are called in the order in which their connections became readable.
func TestHandlersAreCalledInOrder(t *testing.T) {
	var r reactor.Reactor
	var order []int
	for i := range 4 {
		r.Add(&busyConn{}, reactor.HandlerFunc(func(c *reactor.Conn) {
			if order = append(order, i); len(order) > 4 {
				_ = c.Close()
			}
		}))
	}
	require.NoError(t, r.Run())
	assert.Equal(t, []int{0, 1, 2, 3, 0, 1, 2, 3}, order)
}

// A connection that reports repeatedly that it is readable gets no more turns
// than one that reports it once.
func TestNotificationsGiveNoMoreTurns(t *testing.T) {
	var r reactor.Reactor
	quiet := newCollector(1)
	quietConn := r.Add(&busyConn{}, quiet)
	loud := newCollector(1)
	r.Add(&busyConn{says: true}, reactor.HandlerFunc(func(c *reactor.Conn) {
		if loud.Readable(c); loud.turns == 1000 {
			_ = c.Close()
			_ = quietConn.Close()
		}
	}))
	require.NoError(t, r.Run())
	assert.InDelta(t, 1000, quiet.turns, 2)
}

// allocated returns the total number of objects and bytes that the process has allocated.
func allocated() (objects, bytes uint64) {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.Mallocs, stats.TotalAlloc
}

// Repeated reports before the loop checks use no memory.
func TestNotificationsTakeNoMemory(t *testing.T) {
	var r reactor.Reactor
	conn := &busyConn{}
	r.Add(conn, reactor.HandlerFunc(func(c *reactor.Conn) {
		_, before := allocated()
		for range 100_000 {
			conn.notify()
		}
		_, after := allocated()
		assert.Less(t, after-before, uint64(100_000))
		_ = c.Close()
	}))
	require.NoError(t, r.Run())
}

// A loop allocates nothing for a turn of a busy connection.
func TestTurnsTakeNoMemory(t *testing.T) {
	var r reactor.Reactor
	var before uint64
	turns, buffer := 0, make([]byte, 1)
	r.Add(&busyConn{}, reactor.HandlerFunc(func(c *reactor.Conn) {
		_, err := c.Read(buffer)
		if err != nil {
			t.Error(err)
		}
		switch turns++; turns {
		case 100:
			before, _ = allocated()
		case 10_100:
			after, _ := allocated()
			assert.Less(t, after-before, uint64(1000))
			_ = c.Close()
		}
	}))
	require.NoError(t, r.Run())
}

// Calls that are queued while the loop is busy leave no stale wake-up: all calls are made,
// and then the loop notices data on a socket.
func TestCallsBesideABusyConnection(t *testing.T) {
	eachKind(t, func(t *testing.T, pair func() (net.Conn, net.Conn)) {
		near, far := pair()
		var r reactor.Reactor
		c := newCollector(10)
		conn := r.Add(near, c)
		busy := r.Add(&busyConn{}, newCollector(1))
		calls := 0
		r.Go(func() {
			for range 10_000 {
				r.Call(func() { calls++ })
			}
			_, _ = io.WriteString(far, "text")
			_ = far.Close()
		}, func() {
			_ = busy.Close()
			r.AfterFunc(10*time.Second, func() { _ = conn.Close() }) // so that a failing test ends
		})
		require.NoError(t, r.Run())
		assert.Equal(t, 10_000, calls)
		assert.Equal(t, "text", c.data.String())
	})
}

// A handler may pass a function to the loop. The loop still waits for its connections
// afterwards.
func TestReadsAfterACallInAHandler(t *testing.T) {
	eachKind(t, func(t *testing.T, pair func() (net.Conn, net.Conn)) {
		near, far := pair()
		var r reactor.Reactor
		c, calls := newCollector(10), 0
		conn := r.Add(near, reactor.HandlerFunc(func(conn *reactor.Conn) {
			c.Readable(conn)
			r.Call(func() { calls++ })
		}))
		r.Go(func() {
			for _, word := range []string{"one ", "two"} {
				_, _ = io.WriteString(far, word)
				time.Sleep(20 * ms) // until it was read
			}
			_ = far.Close()
		}, func() {})
		r.AfterFunc(10*time.Second, func() { _ = conn.Close() }) // so that a failing test ends
		require.NoError(t, r.Run())
		assert.Equal(t, "one two", c.data.String())
		assert.Equal(t, io.EOF, c.err)
		assert.Equal(t, c.turns, calls)
	})
}

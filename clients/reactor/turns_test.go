package reactor_test

import (
	"net"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/clients/reactor"
)

// A busyConn has always one byte more to read. It may say so at every read.
type busyConn struct {
	net.Conn // nil
	says     bool
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

// A connection that says again and again that it can be read has no more turns
// than one that says so once.
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

// allocated returns how much memory the process has ever allocated.
func allocated() (objects, bytes uint64) {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.Mallocs, stats.TotalAlloc
}

// What is said again before the loop has looked takes no memory.
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

// A loop allocates nothing for a turn of a connection that is busy.
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

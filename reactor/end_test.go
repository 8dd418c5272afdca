package reactor_test

import (
	"context"
	"net"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/testnet"
	"github.com/slowpoetry/slowpoetry/reactor"
)

// The Read of a slowlyEnding connection returns a while after the connection was closed.
type slowlyEnding struct {
	net.Conn
	ended atomic.Bool
}

func (c *slowlyEnding) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		time.Sleep(time.Second)
		c.ended.Store(true)
	}
	return n, err
}

// After Run has returned, none of its goroutines is still in a Read.
func TestNoReadAfterRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		conn := &slowlyEnding{Conn: near}
		var r reactor.Reactor
		c := r.Add(conn, newCollector(1))
		r.Go(func() { time.Sleep(time.Second) }, func() { assert.NoError(t, c.Close()) })
		require.NoError(t, r.Run())
		assert.True(t, conn.ended.Load())
	})
}

// If a request is canceled, the newest dial with its key ends, so that the remaining
// requests get the connections of the older dials.
func TestCancelEndsTheNewestDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r reactor.Reactor
		start := time.Now()
		dial := func(ctx context.Context) (net.Conn, error) {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(10 * time.Second):
				near, _ := net.Pipe()
				return near, nil
			}
		}
		cancel := r.Dial("key", dial, func(net.Conn, error) { t.Error("it was canceled") })
		r.Go(func() { time.Sleep(9 * time.Second) }, func() {
			r.Dial("key", dial, func(conn net.Conn, err error) {
				assert.NoError(t, err)
				assert.Equal(t, 10*time.Second, time.Since(start))
			})
			cancel()
		})
		require.NoError(t, r.Run())
	})
}

// Contexts that end before the loop checks are reported in the order in which
// they were added, whichever ended first.
func TestContextsThatEndAtOnce(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			var r reactor.Reactor
			var got []int
			first, cancelFirst := context.WithCancel(t.Context())
			second, cancelSecond := context.WithCancel(t.Context())
			r.AfterContext(first, func() { got = append(got, 1) })
			r.AfterContext(second, func() { got = append(got, 2) })
			r.Call(func() {
				cancelSecond()
				cancelFirst()
			})
			r.Go(func() { time.Sleep(time.Second) }, func() {})
			require.NoError(t, r.Run())
			assert.Equal(t, []int{1, 2}, got)
		})
	}
}

// Nothing waits for a context after stop, or after Run has ended.
func TestContextsAreReleased(t *testing.T) {
	var r reactor.Reactor
	stopped, left := testnet.NewCountingContext(context.Background()), testnet.NewCountingContext(context.Background())
	stop := r.AfterContext(stopped, func() {})
	r.AfterContext(left, func() {})
	assert.EqualValues(t, 1, stopped.Waiting())
	assert.EqualValues(t, 1, left.Waiting())
	stop()
	assert.EqualValues(t, 0, stopped.Waiting())
	require.NoError(t, r.Run())
	assert.EqualValues(t, 0, left.Waiting())
}

// A running loop does not retain stopped timers and closed connections, nor
// anything that their functions refer to.
func TestTimersAndConnectionsAreReleased(t *testing.T) {
	var r reactor.Reactor
	var kept []weak.Pointer[[1000]byte]
	keep := func() *[1000]byte {
		data := new([1000]byte)
		kept = append(kept, weak.Make(data))
		return data
	}
	for range 3 {
		data := keep()
		r.AfterFunc(time.Hour, func() { clear(data[:]) }).Stop()
	}
	for range 3 {
		data := keep()
		near, far := net.Pipe()
		_ = far.Close()
		r.Add(near, reactor.HandlerFunc(func(c *reactor.Conn) {
			clear(data[:])
			_ = c.Close()
		}))
	}
	r.Go(func() {
		isKept := func(data weak.Pointer[[1000]byte]) bool { return data.Value() != nil }
		for range 100 { // a goroutine that has read may take a while to end
			time.Sleep(10 * ms)
			if runtime.GC(); !slices.ContainsFunc(kept, isKept) {
				return
			}
		}
		t.Error("something is kept")
	}, func() {})
	require.NoError(t, r.Run())
}

// Run returns an error if the system cannot wait for connections, even while connections
// are open, and may be called again.
func TestRunEndsWithAnErrorWhereItCannotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		var r reactor.Reactor
		c := r.Add(near, newCollector(1))
		r.BreakPoller(syscall.EBADF)
		assert.Equal(t, syscall.EBADF, r.Run())
		r.BreakPoller(nil)
		r.Call(func() { _ = c.Close() })
		assert.NoError(t, r.Run())
	})
}

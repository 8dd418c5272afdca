package reactor_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/reactor"
)

// If there are more dials with one key than may be in progress at once, all of them get a
// connection in the end.
func TestDialsThatSucceedTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r reactor.Reactor
		p := &process{free: 1000}
		var got []int
		for i := range 1000 {
			r.Dial("key", p.connect(time.Second), func(conn net.Conn, err error) {
				require.NoError(t, err)
				got = append(got, i)
				untilClosed(&r, conn)
			})
		}
		require.NoError(t, r.Run())
		assert.Len(t, got, 1000)
		assert.IsIncreasing(t, got)
	})
}

// Dials of one key remain interchangeable when another key was dialled in between.
func TestDialsAreAlikeAcrossOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r reactor.Reactor
		fail := func(after time.Duration) func(context.Context) (net.Conn, error) {
			return func(context.Context) (net.Conn, error) {
				time.Sleep(after)
				return nil, errors.New(after.String())
			}
		}
		var got []string
		then := func(name string) func(net.Conn, error) {
			return func(_ net.Conn, err error) { got = append(got, name+" "+err.Error()) }
		}
		r.Dial("a", fail(3*time.Second), then("first"))
		r.Dial("b", fail(2*time.Second), then("other"))
		r.Dial("a", fail(time.Second), then("second"))
		require.NoError(t, r.Run())
		assert.Equal(t, []string{"first 1s", "other 2s", "second 3s"}, got)
	})
}

// A canceled dial has ended: it does not time out later.
func TestDialTimeoutThatIsCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r reactor.Reactor
		start := time.Now()
		cancel := r.DialTimeout("key", time.Minute, func(ctx context.Context) (net.Conn, error) {
			time.Sleep(2 * time.Minute) // ignores its context
			return nil, ctx.Err()
		}, func(net.Conn, error) { t.Error("it was canceled") })
		r.AfterFunc(time.Second, cancel)
		require.NoError(t, r.Run())
		assert.Equal(t, 2*time.Minute, time.Since(start))
	})
}

// A loop keeps nothing of dials and waits that have ended.
func TestNothingIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r reactor.Reactor
		ctx, cancel := context.WithCancel(t.Context())
		p := &process{free: 100}
		for i := range 100 {
			r.Dial(i, p.connect(time.Second), func(conn net.Conn, err error) {
				require.NoError(t, err)
				stop := r.AfterContext(ctx, func() {})
				r.Add(conn, reactor.HandlerFunc(func(c *reactor.Conn) {
					stop()
					_ = c.Close()
				}))
			})
			r.Dial(-i, func(ctx context.Context) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}, func(net.Conn, error) { t.Error("it was canceled") })()
		}
		r.Go(func() { time.Sleep(time.Minute) }, func() {
			queues, contexts := r.Kept()
			assert.Zero(t, queues)
			assert.Zero(t, contexts)
			r.AfterContext(ctx, func() {})
			cancel()
		})
		r.Go(func() { time.Sleep(2 * time.Minute) }, func() {
			_, contexts := r.Kept()
			assert.Zero(t, contexts)
		})
		require.NoError(t, r.Run())
	})
}

// AfterContext reports the end of a context even if the context was used before: after a
// stopped wait, after a report, and in another Run.
func TestContextsThatAreUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r reactor.Reactor
		ctx, cancel := context.WithCancel(t.Context())
		other, cancelOther := context.WithCancel(t.Context())
		var got []int
		note := func(i int) func() { return func() { got = append(got, i) } }
		r.AfterContext(ctx, note(0))()
		r.AfterContext(ctx, note(1))
		r.AfterContext(other, note(0))
		r.Go(cancel, func() {})
		r.Go(func() { time.Sleep(time.Second) }, func() { r.AfterContext(ctx, note(2)) })
		r.Go(func() { time.Sleep(2 * time.Second) }, func() {})
		require.NoError(t, r.Run())
		assert.Equal(t, []int{1, 2}, got)

		r.AfterContext(other, note(3))
		r.Go(cancelOther, func() {})
		r.Go(func() { time.Sleep(time.Second) }, func() {})
		require.NoError(t, r.Run())
		assert.Equal(t, []int{1, 2, 3}, got)
	})
}

// The dial that has waited longest gets the next free descriptor, whatever its key.
func TestDescriptorsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r reactor.Reactor
		p := &process{free: 1, err: syscall.EMFILE}
		start := time.Now()
		var got []string
		r.Dial("first", p.connect(10*time.Second), func(conn net.Conn, err error) { untilClosed(&r, conn) })
		r.AfterFunc(time.Second, func() {
			for i, key := range []string{"c", "a", "b", "a", "c"} {
				time.Sleep(time.Millisecond)
				r.Dial(key, p.connect(time.Second), func(conn net.Conn, err error) {
					require.NoError(t, err)
					got = append(got, fmt.Sprint(i, " ", time.Since(start).Truncate(time.Second)))
					untilClosed(&r, conn)
				})
			}
		})
		require.NoError(t, r.Run())
		assert.Equal(t, []string{"0 10s", "1 11s", "2 12s", "3 13s", "4 14s"}, got)
	})
}

// Waiting dials notice a freed descriptor even if its connection was never added to the
// loop.
func TestDescriptorsOfConnectionsThatAreNotAdded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r reactor.Reactor
		p := &process{free: 2, err: syscall.EMFILE}
		start, got := time.Now(), 0
		r.Dial("long", p.connect(time.Minute), func(conn net.Conn, err error) { untilClosed(&r, conn) })
		then := func(conn net.Conn, err error) {
			require.NoError(t, err)
			got++
			assert.Equal(t, 100*ms, time.Since(start))
			require.NoError(t, conn.Close())
		}
		r.AfterFunc(90*ms, func() {
			r.Dial("slow", func(ctx context.Context) (net.Conn, error) {
				conn, err := p.connect(time.Second)(ctx)
				time.Sleep(10 * ms)
				return conn, err
			}, then)
			for range 3 {
				r.Dial("starved", func(ctx context.Context) (net.Conn, error) {
					time.Sleep(time.Nanosecond)
					return p.connect(time.Second)(ctx)
				}, func(conn net.Conn, err error) {
					start = start.Add(time.Nanosecond)
					then(conn, err)
				})
			}
		})
		require.NoError(t, r.Run())
		assert.Equal(t, 4, got)
	})
}

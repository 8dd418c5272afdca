package reactor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/reactor"
)

func TestDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r reactor.Reactor
		start := time.Now()
		var got []string
		near, far := net.Pipe()
		defer far.Close()
		late, lateFar := net.Pipe()
		dial := func(d time.Duration, conn net.Conn, err error) func(context.Context) (net.Conn, error) {
			return func(ctx context.Context) (net.Conn, error) {
				time.Sleep(d)
				return conn, err
			}
		}
		then := func(name string) func(net.Conn, error) {
			return func(conn net.Conn, err error) {
				got = append(got, fmt.Sprint(name, " ", conn != nil, " ", err, " ", time.Since(start)))
				if conn != nil {
					_ = conn.Close()
				}
			}
		}
		// The first result of a key goes to the first request with that key.
		r.Dial("a", dial(3*time.Second, nil, errors.New("broken")), then("first"))
		r.Dial("a", dial(time.Second, near, nil), then("second"))
		r.Dial("b", dial(2*time.Second, nil, errors.New("b")), then("other"))
		// If the dial function of a canceled request still returns a connection, the
		// connection is closed. The context of the request has ended.
		cancel := r.Dial("c", dial(4*time.Second, late, nil), then("never"))
		r.AfterFunc(time.Second/2, cancel)
		cancel = r.Dial("d", func(ctx context.Context) (net.Conn, error) {
			<-ctx.Done()
			got = append(got, fmt.Sprint("canceled ", time.Since(start)))
			return nil, ctx.Err()
		}, then("never"))
		r.AfterFunc(time.Second/4, func() { cancel(); cancel() })
		require.NoError(t, r.Run())
		assert.Equal(t, []string{"canceled 250ms", "first true <nil> 1s", "other false b 2s", "second false broken 3s"}, got)
		assert.Equal(t, 4*time.Second, time.Since(start))
		_, err := lateFar.Read(make([]byte, 1))
		assert.Equal(t, io.EOF, err, "the late connection was closed")
	})
}

// The number of dials with one key that are in progress at once is limited. All get their
// turn, except canceled ones.
func TestDialTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const all, atOnce = 1000, 256
		var r reactor.Reactor
		var dials, running, most int // belong to the loop
		start := time.Now()
		dial := func(context.Context) (net.Conn, error) {
			r.Call(func() {
				dials++
				running++
				most = max(most, running)
			})
			time.Sleep(time.Second)
			r.Call(func() { running-- })
			return nil, errors.New("no")
		}
		var got []int
		var cancels []func()
		for i := range all {
			cancels = append(cancels, r.Dial("key", dial, func(net.Conn, error) { got = append(got, i) }))
		}
		r.Dial("other", dial, func(net.Conn, error) {
			assert.Equal(t, time.Second, time.Since(start), "it does not wait for dials with another key")
		})
		r.AfterFunc(time.Second/2, func() {
			for _, cancel := range cancels[all-10:] {
				cancel()
			}
		})
		require.NoError(t, r.Run())
		assert.Len(t, got, all-10)
		assert.IsIncreasing(t, got)
		assert.Equal(t, all-10+1, dials, "a request that is canceled while it waits is not dialled")
		assert.Equal(t, atOnce+1, most, "plus the dial with the other key")
		assert.Equal(t, 4*time.Second, time.Since(start))
	})
}

// A key is the key of a value in a context.
type key struct{}

func TestAfterContext(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			var r reactor.Reactor
			var got []int
			note := func(i int) func() { return func() { got = append(got, i) } }
			first, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			second, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			r.AfterContext(first, note(1))
			r.AfterContext(second, note(2))
			var stop4 func()
			r.AfterContext(first, func() { note(3)(); stop4() })
			stop4 = r.AfterContext(first, note(4))
			r.AfterContext(context.WithValue(first, key{}, "value"), note(5))
			stop := r.AfterContext(second, note(6))
			stop()
			stop()
			r.AfterContext(context.Background(), note(7))()
			later, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			r.AfterContext(later, note(8))
			r.Go(func() { time.Sleep(time.Minute) }, func() {})
			require.NoError(t, r.Run())
			assert.Equal(t, []int{1, 3, 5, 2}, got)
		})
	}
}

package slownet

import (
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// After a reset, CloseWrite returns the error of the reset, as Write does.
func TestCloseWriteAfterAReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := NewConn(newSink(), bothWays(netem.Link{Latency: ms}))
		conn.Reset()
		assert.ErrorIs(t, conn.CloseWrite(), syscall.ECONNRESET)
		require.NoError(t, conn.Close())
	})
}

// The end of the stream arrives once, however often CloseWrite is called.
func TestCloseWriteTwice(t *testing.T) {
	for _, link := range []netem.Link{{}, {Latency: ms}} {
		synctest.Test(t, func(t *testing.T) {
			inner := newSink()
			conn := NewConn(inner, bothWays(link))
			for range 2 {
				require.NoError(t, conn.CloseWrite())
				time.Sleep(time.Second)
			}
			got, _ := inner.got()
			assert.Equal(t, []arrival{{0, link.Latency}}, got)
			require.NoError(t, conn.Close())
		})
	}
}

// The CloseWrite of an endless sink fails.
type endless struct{ *sink }

var errEndless = errors.New("CloseWrite failed")

func (endless) CloseWrite() error { return errEndless }

// If the inner connection cannot end the stream, the stream stays open.
func TestWriteAfterACloseWriteThatFailed(t *testing.T) {
	for _, link := range []netem.Link{{}, {MTU: 1500}} {
		synctest.Test(t, func(t *testing.T) {
			conn := NewConn(endless{newSink()}, bothWays(link))
			assert.ErrorIs(t, conn.CloseWrite(), errEndless)
			_, err := conn.Write([]byte("on"))
			assert.NoError(t, err)
			require.NoError(t, conn.Close())
		})
	}
}

// If the inner connection cannot end the stream, an end that is in flight is
// lost, and Drain returns the error.
func TestDrainReportsAnEndThatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := NewConn(endless{newSink()}, bothWays(netem.Link{Latency: ms}))
		require.NoError(t, conn.CloseWrite())
		assert.EqualError(t, conn.Drain(t.Context()), "slownet: drain: the end of the stream was discarded: CloseWrite failed")
		require.NoError(t, conn.Close())
	})
}

// After Close, an inner connection whose CloseWrite blocks is closed when it has
// accepted nothing for maxStall, just as one whose Write blocks.
func TestCloseGivesUpACloseWriteThatBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &blocking{newSink(), make(chan struct{})}
		conn := NewConn(inner, Config{Write: netem.Link{Latency: time.Second}})
		require.NoError(t, conn.CloseWrite())
		time.Sleep(time.Minute)
		require.NoError(t, conn.Close())
		time.Sleep(time.Minute)
		_, closed := inner.got()
		assert.Equal(t, time.Minute+maxStall, closed)
		close(inner.goOn)
		require.NoError(t, conn.Drain(t.Context()))
	})
}

// The CloseWrite of a blocking sink blocks until goOn is closed.
type blocking struct {
	*sink
	goOn chan struct{}
}

func (b *blocking) CloseWrite() error {
	<-b.goOn
	return b.sink.CloseWrite()
}

// If the machine sleeps after a failed CloseWrite, nothing is lost.
func TestSleepAfterACloseWriteThatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := endless{newSink()}
		conn := NewConn(inner, Config{Clock: &drowsyClock{Clock: clock.New()}})
		conn.SetLinks(netem.Link{}, netem.Link{MTU: 1500})
		require.ErrorIs(t, conn.CloseWrite(), errEndless)
		conn.SetLinks(netem.Link{}, netem.Link{Latency: time.Second})
		_, err := conn.Write([]byte("word"))
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		assert.NoError(t, conn.Drain(t.Context()))
		got, closed := inner.got()
		assert.Equal(t, []arrival{{4, 9 * time.Second}}, got)
		assert.Equal(t, 9*time.Second, closed)
	})
}

// A drowsyClock fires timers of a second or less eight seconds late.
type drowsyClock struct{ clock.Clock }

func (c *drowsyClock) AfterFunc(d time.Duration, f func()) *clock.Timer {
	if d <= time.Second {
		d += 8 * time.Second
	}
	return c.Clock.AfterFunc(d, f)
}

// The pace delays the end of the stream as it delays a byte, even after bytes
// that have waited in the queue.
func TestEndOfStreamAfterAQueue(t *testing.T) {
	for _, queue := range []int{0, 1000} {
		synctest.Test(t, func(t *testing.T) {
			inner := newSink()
			conn := NewConn(inner, Config{Write: netem.Link{Queue: netem.Queue{Bytes: queue}, Pace: netem.Pace{Bytes: 100, Wait: 100 * ms}}})
			_, err := conn.Write(make([]byte, 200))
			require.NoError(t, err)
			require.NoError(t, conn.CloseWrite())
			require.NoError(t, conn.Drain(t.Context()))
			got, _ := inner.got()
			assert.Equal(t, []arrival{{100, 0}, {100, 100 * ms}, {0, 200 * ms}}, got)
			require.NoError(t, conn.Close())
		})
	}
}

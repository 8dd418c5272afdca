package slownet

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tier"
)

func TestCloseWakesAWriter(t *testing.T) {
	for range 200 {
		testCloseWakesAWriter(t)
	}
}

// With a linger above zero, Close waits for at most that time; the rest is
// delivered afterwards.
func TestLingerBoundsClose(t *testing.T) {
	for seconds, want := range map[int]time.Duration{3: 3 * time.Second, 100: time.Minute} {
		inBubble(t, netem.Link{Latency: time.Minute}, func(c *Conn, arrivals func() []arrival) {
			_, err := c.Write(make([]byte, 10))
			require.NoError(t, err)
			require.NoError(t, c.SetLinger(seconds))
			start := time.Now()
			assert.NoError(t, c.Close())
			assert.Equal(t, want, time.Since(start))
			assert.Equal(t, []arrival{{10, time.Minute}, {0, time.Minute}}, arrivals())
		})
	}
}

// A linger of zero discards bytes in flight, even if it is set after Close, and
// wakes a Close that waits.
func TestLingerOfZeroAfterClose(t *testing.T) {
	for _, seconds := range []int{-1, 1000} {
		inBubble(t, netem.Link{Latency: time.Hour}, func(c *Conn, arrivals func() []arrival) {
			_, err := c.Write(make([]byte, 10))
			require.NoError(t, err)
			require.NoError(t, c.SetLinger(seconds))
			start, closed := time.Now(), make(chan error, 1)
			go func() { closed <- c.Close() }()
			time.Sleep(time.Second)
			require.NoError(t, c.SetLinger(0))
			require.NoError(t, <-closed)
			assert.EqualError(t, c.Drain(context.Background()), "slownet: drain: the last 10 bytes that were written were discarded: SetLinger(0): use of closed network connection")
			assert.Equal(t, time.Second, time.Since(start))
			assert.Equal(t, []arrival{{0, time.Second}}, arrivals())
		})
	}
}

// A peer that reads slowly receives everything, however long it takes, as long
// as it reads. One that stops is reset, and does not mistake a part for the
// whole.
func TestCloseAndASlowReader(t *testing.T) {
	t.Parallel()
	for name, pause := range map[string]time.Duration{"slow": 20 * ms, "stopped": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c1, c2 := tcpPair(t, Config{Write: netem.Link{Latency: ms}})
			// As much as fits: where sockets take much of its memory, the kernel takes less.
			require.NoError(t, c1.SetWriteDeadline(time.Now().Add(10*time.Second)))
			size, err := c1.Write(make([]byte, 15<<20))
			if err != nil {
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			}
			require.NoError(t, c1.SetWriteDeadline(time.Time{}))
			closed := make(chan error, 1)
			go func() { closed <- shut(c1.(*Conn)) }()
			if pause > 0 {
				got, buffer := 0, make([]byte, 200<<10)
				for err = error(nil); err == nil; time.Sleep(pause) {
					var n int
					n, err = io.ReadFull(c2, buffer)
					got += n
				}
				assert.Equal(t, size, got)
				assert.NoError(t, <-closed)
			} else {
				assert.ErrorContains(t, <-closed, "bytes that were written were discarded")
				_, err = io.Copy(io.Discard, c2)
				assert.ErrorIs(t, err, syscall.ECONNRESET)
			}
			require.NoError(t, c2.Close())
		})
	}
}

// Setting deadlines while another goroutine closes does not prevent the close.
func TestCloseWhileDeadlinesAreSet(t *testing.T) {
	for range tier.Count(20, 50) {
		c1, c2 := tcpPair(t, Config{Write: netem.Link{Pace: netem.Pace{Wait: 1}}})
		var others sync.WaitGroup
		others.Go(func() { _, _ = c1.Write(make([]byte, 64<<20)) }) // nothing reads it
		stop := make(chan struct{})
		for range 2 {
			others.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						_ = c1.SetWriteDeadline(time.Now().Add(time.Minute))
					}
				}
			})
		}
		time.Sleep(ms)
		require.NoError(t, c1.Close())
		assert.ErrorIs(t, c1.SetDeadline(time.Time{}), net.ErrClosed)
		close(stop)
		others.Wait()
		require.NoError(t, c2.Close())
	}
}

// After Close nothing is read or written, even while bytes are still in flight.
func TestClosedWhileLingering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		go func() { _, _ = io.Copy(far, far) }()
		c := NewConn(near, Config{Write: netem.Link{Latency: time.Second}})
		_, err := c.Write([]byte("leaving"))
		require.NoError(t, err)
		start := time.Now()
		require.NoError(t, c.Close())
		assert.ErrorIs(t, c.Close(), net.ErrClosed, "a second time")
		assert.Zero(t, time.Since(start))
		_, err = c.Read(make([]byte, 1))
		assert.ErrorIs(t, err, net.ErrClosed)
		_, err = c.Write(make([]byte, 1))
		assert.ErrorIs(t, err, net.ErrClosed)
		assert.ErrorIs(t, c.SetReadDeadline(time.Now().Add(time.Hour)), net.ErrClosed)
		assert.ErrorIs(t, c.SetWriteDeadline(time.Now().Add(time.Hour)), net.ErrClosed)
		assert.NoError(t, c.Drain(t.Context()))
		assert.Equal(t, time.Second, time.Since(start))
		require.NoError(t, far.Close())
	})
}

// A closed connection leaves no timer.
func TestCloseStopsTimers(t *testing.T) {
	for name, link := range links {
		mock := clock.NewMock()
		near, far := net.Pipe()
		c := NewConn(near, Config{Clock: mock, Write: link})
		require.NoError(t, c.SetDeadline(mock.Now().Add(time.Hour)))
		require.NoError(t, c.SetLinger(0))
		require.NoError(t, c.Close())
		require.NoError(t, far.Close())
		assert.Zero(t, c.in.deadline.timer, name)
		assert.Zero(t, c.out.deadline.timer, name)
	}
}

func TestCloseWakesAReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c := NewConn(near, Config{Write: netem.Link{Latency: time.Second}})
		failed := make(chan error, 1)
		start := time.Now()
		go func() {
			_, err := c.Read(make([]byte, 1))
			assert.Zero(t, time.Since(start), "at once, not when the last byte has left")
			failed <- err
		}()
		synctest.Wait()
		require.NoError(t, c.Close())
		assert.ErrorIs(t, <-failed, net.ErrClosed)
	})
}

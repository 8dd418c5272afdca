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
)

// A sink is an inner connection that accepts everything at once, and records
// the times.
type sink struct {
	net.Conn // a pipe, to be read from
	born     time.Time

	mu     sync.Mutex // guards the fields below
	writes []arrival  // the end of the stream has no bytes
	closed time.Duration
}

func newSink() *sink {
	near, _ := net.Pipe()
	return &sink{Conn: near, born: time.Now(), closed: -1}
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = append(s.writes, arrival{len(p), time.Since(s.born)})
	return len(p), nil
}

func (s *sink) CloseWrite() error {
	_, err := s.Write(nil)
	return err
}

func (s *sink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = time.Since(s.born)
	return s.Conn.Close()
}

// got returns the arrivals, and the time at which the sink was closed, or -1.
func (s *sink) got() ([]arrival, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes, s.closed
}

// Close returns at once; written bytes still arrive, and then the end.
func TestCloseReturnsAtOnce(t *testing.T) {
	rate := netem.Link{Rate: netem.Mbps, Latency: time.Second, Queue: netem.Queue{Bytes: 10000}}
	queue := netem.Link{Rate: 12 * netem.Kbps, Queue: netem.Queue{Bytes: 10000}}
	overTCP, ideal := netem.TCP{}, netem.TCP{Congestion: netem.Unlimited}
	for name, test := range map[string]struct {
		link   netem.Link
		tcp    netem.TCP
		writes []arrival
		closed time.Duration
	}{
		"zero":             {netem.Link{}, overTCP, []arrival{{3000, 0}}, 0},
		"latency":          {netem.Link{Latency: time.Second}, overTCP, []arrival{{3000, time.Second}}, time.Second},
		"latency, ideal":   {netem.Link{Latency: time.Second}, ideal, []arrival{{3000, time.Second}}, time.Second},
		"pace":             {netem.Link{Pace: netem.Pace{Bytes: 3000, Wait: time.Minute}}, overTCP, []arrival{{3000, 0}}, time.Minute},
		"pace and latency": {netem.Link{Pace: netem.Pace{Bytes: 3000, Wait: time.Minute}, Latency: ms}, overTCP, []arrival{{3000, ms}}, time.Minute + ms},
		"rate": {rate, overTCP, []arrival{{1448, 1012 * ms}, {1448, 1024 * ms}, {104, 1_025_248 * us}},
			1_025_664 * us},
		"rate, ideal": {rate, ideal, []arrival{{1500, 1012 * ms}, {1500, 1024 * ms}}, 1024 * ms},
		"queue": {queue, overTCP, []arrival{{1448, time.Second}, {1448, 2 * time.Second}, {104, 2104 * ms}},
			2104*ms + 52*time.Second/1500},
		"queue, ideal": {queue, ideal, []arrival{{1500, time.Second}, {1500, 2 * time.Second}}, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				inner := newSink()
				conn := NewConn(inner, Config{Write: test.link, TCP: test.tcp})
				_, err := conn.Write(make([]byte, 3000))
				require.NoError(t, err)
				start := time.Now()
				assert.NoError(t, conn.Close())
				assert.ErrorIs(t, conn.Close(), net.ErrClosed)
				assert.ErrorIs(t, conn.CloseWrite(), net.ErrClosed)
				assert.Zero(t, time.Since(start))
				assert.NoError(t, conn.Drain(t.Context()))
				assert.Equal(t, test.closed, time.Since(inner.born))
				writes, closed := inner.got()
				assert.Equal(t, test.writes, writes)
				assert.Equal(t, test.closed, closed)
			})
		})
	}
}

// A bubble may end at any time after a close, whatever is still in flight: it
// would panic if a goroutine were left.
func TestBubbleEndsWhileAClosedConnectionDrains(t *testing.T) {
	for name, link := range links {
		for _, linger := range []time.Duration{0, 10 * time.Microsecond, 150 * time.Microsecond, ms, time.Second} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					inner := newSink()
					conn := NewConn(inner, bothWays(alone(link)))
					go func() { _, _ = conn.Read(make([]byte, 1)) }()
					_, err := conn.Write(make([]byte, 30000))
					require.NoError(t, err)
					synctest.Wait()
					require.NoError(t, conn.Close())
					time.Sleep(linger)
				})
				synctest.Test(t, func(t *testing.T) {
					near, far := memoryPair()
					c := NewPacketConn(near, bothWays(alone(link)))
					go func() { _, _, _ = c.ReadFrom(make([]byte, 1)) }()
					for range 30 {
						_, err := c.WriteTo(make([]byte, 1000), far.name)
						require.NoError(t, err)
					}
					synctest.Wait()
					require.NoError(t, c.Close())
					time.Sleep(linger)
				})
			})
		}
	}
}

// CloseWrite returns at once; the end arrives after the written bytes. Blocked
// writes fail; over TCP the send buffer has accepted everything.
func TestCloseWriteReturnsAtOnce(t *testing.T) {
	rate := netem.Link{Rate: 12 * netem.Kbps} // a packet a second
	queue := netem.Link{Rate: 12 * netem.Kbps, Queue: netem.Queue{Bytes: 1500}}
	overTCP, ideal := netem.TCP{}, netem.TCP{Congestion: netem.Unlimited}
	for name, test := range map[string]struct {
		link    netem.Link
		tcp     netem.TCP
		written int
		writes  []arrival
	}{
		"latency":        {netem.Link{Latency: time.Second}, overTCP, 3000, []arrival{{3000, time.Second}, {0, time.Second}}},
		"latency, ideal": {netem.Link{Latency: time.Second}, ideal, 3000, []arrival{{3000, time.Second}, {0, time.Second}}},
		"pace":           {netem.Link{Pace: netem.Pace{Bytes: 1000, Wait: time.Minute}}, overTCP, 1000, []arrival{{1000, 0}, {0, time.Minute}}},
		"pace and latency": {netem.Link{Pace: netem.Pace{Bytes: 1000, Wait: time.Minute}, Latency: ms}, overTCP, 1000,
			[]arrival{{1000, ms}, {0, time.Minute + ms}}},
		"rate":         {rate, overTCP, 3000, []arrival{{1448, time.Second}, {1448, 2 * time.Second}, {104, 2104 * ms}, {0, 2104*ms + 52*time.Second/1500}}},
		"rate, ideal":  {rate, ideal, 1500, []arrival{{1500, time.Second}, {0, time.Second}}},
		"queue, ideal": {queue, ideal, 3000, []arrival{{1500, time.Second}, {1500, 2 * time.Second}, {0, 2 * time.Second}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				inner := newSink()
				conn := NewConn(inner, Config{Write: test.link, TCP: test.tcp})
				written := make(chan int)
				go func() {
					n, err := conn.Write(make([]byte, 3000))
					if n < 3000 {
						assert.ErrorIs(t, err, syscall.EPIPE)
					}
					written <- n
				}()
				synctest.Wait()
				start := time.Now()
				require.NoError(t, conn.CloseWrite())
				require.NoError(t, conn.CloseWrite(), "a second time")
				assert.Equal(t, test.written, <-written)
				assert.Zero(t, time.Since(start))
				_, err := conn.Write([]byte("x"))
				assert.ErrorIs(t, err, syscall.EPIPE)
				require.NoError(t, conn.Drain(t.Context()))
				writes, closed := inner.got()
				assert.Equal(t, test.writes, writes)
				assert.Less(t, closed, time.Duration(0), "the other direction is open")
				at := time.Now()
				require.NoError(t, shut(conn))
				assert.Zero(t, time.Since(at), "the end has arrived already")
			})
		})
	}
}

// As on any socket, a writer that is blocked when the stream is ended fails, and the
// bytes that it has written arrive.
func TestCloseWriteWhileAWriterIsBlocked(t *testing.T) {
	t.Parallel()
	for _, wrap := range []func(net.Conn) net.Conn{
		func(c net.Conn) net.Conn { return c },
		func(c net.Conn) net.Conn { return NewConn(c, Config{}) },
		func(c net.Conn) net.Conn { return NewConn(c, Config{Write: netem.Link{Pace: netem.Pace{Wait: ms}}}) },
		func(c net.Conn) net.Conn { return NewConn(c, Config{Write: netem.Link{Latency: ms}}) },
	} {
		near, far := rawTCPPair(t)
		conn := wrap(near)
		written := make(chan int64)
		go func() {
			var total int64
			for err := error(nil); err == nil; {
				var n int
				n, err = conn.Write(make([]byte, 1<<20))
				if total += int64(n); err != nil {
					assert.ErrorIs(t, err, syscall.EPIPE)
				}
			}
			written <- total
		}()
		time.Sleep(50 * ms)
		require.NoError(t, conn.(halfCloser).CloseWrite())
		want := <-written
		got, err := io.Copy(io.Discard, far)
		require.NoError(t, err)
		assert.Equal(t, want, got)
		require.NoError(t, conn.Close())
		require.NoError(t, far.Close())
	}
}

// A peer that accepts nothing has five seconds from the close on, however long
// it accepted nothing before.
func TestGivingUpCountsFromTheClose(t *testing.T) {
	overPipe(t, Config{Write: netem.Link{Latency: time.Second}}, func(t *testing.T, conn *Conn, far net.Conn) {
		_, err := conn.Write(make([]byte, 1000))
		require.NoError(t, err)
		time.Sleep(time.Minute) // the delivery goroutine is in the inner connection
		start := time.Now()
		require.NoError(t, conn.Close())
		assert.EqualError(t, conn.Drain(t.Context()), "slownet: drain: the last 1000 bytes that were written were discarded: nothing moved for 5s after the close")
		assert.Equal(t, maxStall, time.Since(start))
		_, err = far.Read(make([]byte, 1))
		assert.Equal(t, io.EOF, err)
	})
}

// An inner connection that fails loses the bytes in flight: Drain reports it.
func TestDrainReportsLostBytes(t *testing.T) {
	overPipe(t, Config{Write: netem.Link{Latency: time.Second}}, func(t *testing.T, conn *Conn, far net.Conn) {
		_, err := conn.Write(make([]byte, 1000))
		require.NoError(t, err)
		require.NoError(t, far.Close())
		require.NoError(t, conn.Close())
		err = conn.Drain(t.Context())
		assert.ErrorIs(t, err, io.ErrClosedPipe)
		assert.ErrorContains(t, err, "the last 1000 bytes")
		assert.Equal(t, err, conn.Drain(t.Context()), "again")
	})
}

// Drain of an open connection waits for bytes in flight, and gives up with its
// context.
func TestDrainOfAnOpenConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newSink()
		conn := NewConn(inner, Config{Write: netem.Link{Latency: time.Second}})
		require.NoError(t, conn.Drain(t.Context()), "nothing is in flight")
		_, err := conn.Write([]byte("x"))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 100*ms)
		defer cancel()
		assert.Equal(t, context.DeadlineExceeded, conn.Drain(ctx))
		assert.Equal(t, 100*ms, time.Since(inner.born))
		assert.NoError(t, conn.Drain(t.Context()))
		assert.Equal(t, time.Second, time.Since(inner.born))
		require.NoError(t, shut(conn))
		assert.Equal(t, 2*time.Second, time.Since(inner.born))
	})
}

// The Drain of a wrapped wrapper waits for both.
func TestDrainOfAWrappedConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newSink()
		middle := NewConn(inner, Config{Write: netem.Link{Latency: time.Second}})
		conn := NewConn(middle, Config{Write: netem.Link{Latency: time.Second}})
		_, err := conn.Write([]byte("x"))
		require.NoError(t, err)
		require.NoError(t, shut(conn))
		writes, closed := inner.got()
		assert.Equal(t, []arrival{{1, 2 * time.Second}}, writes)
		assert.Equal(t, 2*time.Second, closed)
	})
}

// Faults apply to a closed connection with bytes in flight.
func TestFaultsWhileAClosedConnectionDrains(t *testing.T) {
	slow := netem.Link{Rate: 12 * netem.Kbps, Queue: netem.Queue{Bytes: 10000}} // a packet a second
	overTCP, ideal := netem.TCP{}, netem.TCP{Congestion: netem.Unlimited}
	stall := func(c *Conn) { c.Stall(); time.Sleep(3 * time.Second); c.Resume() }
	newLinks := func(c *Conn) { c.SetLinks(netem.Link{}, netem.Link{Latency: time.Minute}) }
	end := func(c *Conn) { c.CloseAfter(Write, 0) }
	unharmed := []arrival{{1448, time.Second}, {1448, 2 * time.Second}, {104, 2104 * ms}}
	last := 2104*ms + 52*time.Second/1500
	for name, test := range map[string]struct {
		tcp    netem.TCP
		fault  func(*Conn)
		writes []arrival
		closed time.Duration
		lost   string
	}{
		"none":         {overTCP, func(*Conn) {}, unharmed, last, ""},
		"a stall":      {overTCP, stall, []arrival{{1448, 4 * time.Second}, {1448, 5 * time.Second}, {104, 5104 * ms}}, 5104 * ms, ""}, // retransmitted by then, with the FIN
		"a long stall": {overTCP, (*Conn).Stall, nil, 602*ms + maxStall, "nothing moved"},                                              // after the next retransmission
		"a reset":      {overTCP, (*Conn).Reset, nil, 500 * ms, "connection reset"},
		"new links":    {overTCP, newLinks, unharmed, last, ""}, // as all segments are in flight
		"an end":       {overTCP, end, unharmed, last, ""},

		"none, ideal":         {ideal, func(*Conn) {}, []arrival{{1500, time.Second}, {1500, 2 * time.Second}}, 2 * time.Second, ""},
		"a stall, ideal":      {ideal, stall, []arrival{{1500, 3500 * ms}, {1500, 4500 * ms}}, 4500 * ms, ""},
		"a long stall, ideal": {ideal, (*Conn).Stall, nil, time.Second + maxStall, "nothing moved"},
		"a reset, ideal":      {ideal, (*Conn).Reset, nil, 500 * ms, "connection reset"},
		"new links, ideal":    {ideal, newLinks, []arrival{{1500, time.Second}, {1500, time.Minute + time.Second}}, time.Minute + time.Second, ""},
		"an end, ideal":       {ideal, end, []arrival{{1500, time.Second}, {1500, 2 * time.Second}}, 2 * time.Second, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				inner := newSink()
				conn := NewConn(inner, Config{Write: slow, TCP: test.tcp})
				_, err := conn.Write(make([]byte, 3000))
				require.NoError(t, err)
				require.NoError(t, conn.Close())
				time.Sleep(500 * ms)
				test.fault(conn)
				if err := conn.Drain(t.Context()); test.lost == "" {
					assert.NoError(t, err)
				} else {
					assert.ErrorContains(t, err, test.lost)
				}
				writes, closed := inner.got()
				assert.Equal(t, test.writes, writes)
				assert.InDelta(t, test.closed, closed, 1000)
			})
		})
	}
}

// As with any socket, a peer sees a reset after the last byte if not all bytes that
// it sent were read. It makes no difference whether the unread bytes were still in
// flight to the reader.
func TestCloseWithUnreadBytes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		wrap func(net.Conn) net.Conn
		read bool
	}{
		"plain":     {func(c net.Conn) net.Conn { return c }, false},
		"zero":      {func(c net.Conn) net.Conn { return NewConn(c, Config{}) }, false},
		"latency":   {func(c net.Conn) net.Conn { return NewConn(c, bothWays(netem.Link{Latency: 5 * ms})) }, false},
		"half read": {func(c net.Conn) net.Conn { return NewConn(c, bothWays(netem.Link{Latency: 5 * ms})) }, true},
	} {
		near, far := rawTCPPair(t)
		conn := test.wrap(near)
		_, err := far.Write([]byte("unread"))
		require.NoError(t, err)
		time.Sleep(10 * ms)
		if test.read {
			_, err := conn.Read(make([]byte, 1))
			require.NoError(t, err)
		}
		_, err = conn.Write([]byte("answer"))
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		got, err := io.ReadAll(far)
		assert.ErrorIs(t, err, syscall.ECONNRESET, name)
		assert.Equal(t, "answer", string(got), name)
		require.NoError(t, far.Close())
	}
}

// A clock that stands still keeps bytes in flight, and the inner connection
// open. When the clock is advanced, all bytes arrive.
func TestCloseOnAClockThatStandsStill(t *testing.T) {
	t.Parallel()
	mock := clock.NewMock()
	near, far := rawTCPPair(t)
	conn := NewConn(near, Config{Clock: mock, Write: netem.Link{Latency: time.Second, Rate: 8 * netem.Kbps}})
	_, err := conn.Write(make([]byte, 1000))
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.NoError(t, far.SetReadDeadline(time.Now().Add(20*ms)))
	_, err = far.Read(make([]byte, 1))
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
	mock.Add(3 * time.Second)
	require.NoError(t, conn.Drain(t.Context()))
	require.NoError(t, far.SetReadDeadline(time.Time{}))
	got, err := io.ReadAll(far)
	assert.NoError(t, err)
	assert.Len(t, got, 1000)
	require.NoError(t, far.Close())
}

// However the clock is advanced while a closed connection drains, no step is
// missed.
func TestClockThatIsAdvancedWhileAClosedConnectionDrains(t *testing.T) {
	t.Parallel()
	for i := range 20 {
		mock := clock.NewMock()
		inner := newSink()
		conn := NewConn(inner, Config{Clock: mock, Write: netem.Link{Rate: 12 * netem.Kbps, Queue: netem.Queue{Bytes: 100000}}})
		_, err := conn.Write(make([]byte, 4500))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var moving sync.WaitGroup
		moving.Go(func() {
			for step := i + 1; ctx.Err() == nil; step = min(2*step, 100) {
				mock.Add(time.Duration(step) * 100 * ms)
			}
		})
		require.NoError(t, conn.Close())
		require.NoError(t, conn.Drain(t.Context()))
		cancel()
		moving.Wait()
	}
}

package slownet

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/net/nettest"

	"github.com/slowpoetry/slowpoetry/internal/tier"
)

const (
	ms = time.Millisecond
	us = time.Microsecond
)

func TestMain(m *testing.M) {
	tier.AtOnce(4)
	goleak.VerifyTestMain(m)
}

// links are the links on which connections must behave the same. "all" has every
// impairment at once.
var links = map[string]netem.Link{
	"zero":       {},
	"pace":       {Pace: netem.Pace{Bytes: 4096, Wait: 10 * time.Microsecond}},
	"latency":    {Latency: 100 * time.Microsecond},
	"rate":       {Rate: netem.Gbps},
	"queue":      {Rate: netem.Gbps, Queue: netem.Queue{Bytes: 64 << 10}},
	"replay":     {Replay: mustParseReplay(strings.Repeat("1\n", 100))},
	"bottleneck": {Bottleneck: netem.NewBottleneck(netem.Gbps)},
	"jitter":     {Latency: 100 * time.Microsecond, Jitter: netem.Jitter{Deviation: 100 * time.Microsecond, Distribution: netem.ParetoNormal, Correlation: 0.5}},
	"faults":     {Loss: netem.Loss{Random: 0.0002}, Corrupt: netem.Chance{Probability: 0.0002, Correlation: 0.1}, Duplicate: netem.Chance{Probability: 0.01, Correlation: 0.1}, Reorder: netem.Chance{Probability: 0.01, Correlation: 0.1}},
	"all": {
		Latency: 100 * time.Microsecond, Rate: netem.Gbps, Pace: netem.Pace{Bytes: 64 << 10, Wait: 10 * time.Microsecond}, Queue: netem.Queue{Bytes: 32 << 10}, MTU: 9000,
		Jitter: netem.Jitter{Deviation: 50 * time.Microsecond, Distribution: netem.Normal, Correlation: 0.25},
		Loss:   netem.Loss{GilbertElliott: netem.GilbertElliott{P: 0.0001, R: 0.5, LossBad: 0.5}}, Corrupt: netem.Chance{Probability: 0.0001, Correlation: 0}, Duplicate: netem.Chance{Probability: 0.01, Correlation: 0}, Reorder: netem.Chance{Probability: 0.01, Correlation: 0},
	},
}

func mustParseReplay(text string) *netem.Replay {
	replay, err := netem.ParseReplay(strings.NewReader(text))
	if err != nil {
		panic(err)
	}
	return replay
}

func TestConformance(t *testing.T) {
	for name, link := range links {
		config := Config{Read: link, Write: link, Seed: 1}
		t.Run(name+"/pipe", func(t *testing.T) {
			t.Parallel()
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				p1, p2 := net.Pipe()
				c1, c2 = NewConn(p1, config), NewConn(p2, config)
				return c1, c2, func() { abort(c1); abort(c2) }, nil
			})
		})
		t.Run(name+"/tcp", func(t *testing.T) {
			t.Parallel()
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				c1, c2 = tcpPair(t, config)
				return c1, c2, func() { abort(c1); abort(c2) }, nil
			})
		})
	}
}

// abort closes without waiting for bytes in flight: over net.Pipe, which has no
// buffer, they might never arrive.
func abort(c net.Conn) {
	_ = c.(*Conn).SetLinger(0)
	_ = c.Close()
}

// tcpPair returns the two ends of a loopback connection, both wrapped.
func tcpPair(t *testing.T, config Config) (c1, c2 net.Conn) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	listener := NewListener(inner, config)
	defer listener.Close()
	dialled, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	c2, err = listener.Accept()
	require.NoError(t, err)
	return NewConn(dialled, config), c2
}

// An arrival is an event that a reader saw.
type arrival struct {
	bytes int
	at    time.Duration
}

// inBubble runs f in simulated time with a wrapped end, on ideal streams, and
// with a function that reads the other end until it is closed.
func inBubble(t *testing.T, link netem.Link, f func(c *Conn, arrivals func() []arrival)) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		start := time.Now()
		seen := make(chan []arrival, 1)
		go func() {
			var all []arrival
			buffer := make([]byte, 1<<20)
			for {
				n, err := far.Read(buffer)
				all = append(all, arrival{n, time.Since(start)})
				if err != nil {
					seen <- all
					return
				}
			}
		}()
		f(NewConn(near, ideal(Config{Write: link})), func() []arrival { return <-seen })
	})
}

func TestPaceIsExact(t *testing.T) {
	inBubble(t, netem.Link{Pace: netem.Pace{Bytes: 10, Wait: 100 * ms}}, func(c *Conn, arrivals func() []arrival) {
		start := time.Now()
		n, err := c.Write(make([]byte, 25))
		require.NoError(t, err)
		assert.Equal(t, 25, n)
		assert.Equal(t, 200*ms, time.Since(start), "Write returns when the last piece has left")
		require.NoError(t, shut(c))
		assert.Equal(t, 300*ms, time.Since(start), "the wait follows the last piece too")
		assert.Equal(t, []arrival{{10, 0}, {10, 100 * ms}, {5, 200 * ms}, {0, 300 * ms}}, arrivals())
	})
}

func TestLatencyOverlaps(t *testing.T) {
	inBubble(t, netem.Link{Latency: 50 * ms}, func(c *Conn, arrivals func() []arrival) {
		start := time.Now()
		var want []arrival
		for i := range 100 {
			_, err := c.Write(make([]byte, 1024))
			require.NoError(t, err)
			want = append(want, arrival{1024, 50*ms + time.Duration(i)*ms})
			time.Sleep(ms)
		}
		assert.Equal(t, 100*ms, time.Since(start), "Write does not wait for the arrival")
		require.NoError(t, c.Close())
		assert.Equal(t, append(want, arrival{0, 150 * ms}), arrivals(), "the close arrives last")
	})
}

func TestRateIsExact(t *testing.T) {
	inBubble(t, netem.Link{Rate: netem.Mbps, Latency: 5 * ms}, func(c *Conn, arrivals func() []arrival) {
		_, err := c.Write(make([]byte, 4000)) // 12, 12 and 8 ms
		require.NoError(t, err)
		require.NoError(t, c.Close())
		assert.Equal(t, []arrival{{1500, 17 * ms}, {1500, 29 * ms}, {1000, 37 * ms}, {0, 37 * ms}}, arrivals())
	})
}

func TestWriteDeadlineInThePace(t *testing.T) {
	inBubble(t, netem.Link{Pace: netem.Pace{Bytes: 10, Wait: 100 * ms}}, func(c *Conn, arrivals func() []arrival) {
		start := time.Now()
		require.NoError(t, c.SetWriteDeadline(start.Add(250*ms)))
		n, err := c.Write(make([]byte, 100))
		assert.Equal(t, 30, n, "the pieces that left are counted")
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		var timeout net.Error
		require.ErrorAs(t, err, &timeout)
		assert.True(t, timeout.Timeout())
		assert.Equal(t, 250*ms, time.Since(start))

		require.NoError(t, c.SetWriteDeadline(time.Time{}))
		_, err = c.Write(make([]byte, 1))
		require.NoError(t, err, "a removed deadline has no effect")
		require.NoError(t, c.Close())
		assert.Equal(t, []arrival{{10, 0}, {10, 100 * ms}, {10, 200 * ms}, {1, 300 * ms}, {0, 400 * ms}}, arrivals())
	})
}

func testCloseWakesAWriter(t *testing.T) {
	inBubble(t, netem.Link{Pace: netem.Pace{Bytes: 10, Wait: time.Hour}}, func(c *Conn, arrivals func() []arrival) {
		failed := make(chan error, 1)
		go func() {
			_, err := c.Write(make([]byte, 100))
			failed <- err
		}()
		time.Sleep(time.Second)
		require.NoError(t, c.SetLinger(0))
		start := time.Now()
		require.NoError(t, c.Close())
		assert.ErrorIs(t, <-failed, net.ErrClosed)
		assert.Zero(t, time.Since(start))
		assert.Equal(t, []arrival{{10, 0}, {0, time.Second}}, arrivals())
	})
}

// At the very instant of a deadline nothing is read or written, in every run.
func TestDeadlineTies(t *testing.T) {
	for range 100 {
		inBubble(t, netem.Link{Pace: netem.Pace{Bytes: 10, Wait: 100 * ms}}, func(c *Conn, arrivals func() []arrival) {
			require.NoError(t, c.SetWriteDeadline(time.Now().Add(200*ms)))
			n, err := c.Write(make([]byte, 100))
			require.Equal(t, 20, n)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.NoError(t, c.Close())
			arrivals()
		})
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			defer far.Close()
			for _, link := range []netem.Link{{}, {Latency: ms}} {
				c := NewConn(near, Config{Write: link})
				require.NoError(t, c.SetDeadline(time.Now().Add(100*ms)))
				time.Sleep(100 * ms)
				_, err := c.Read(make([]byte, 1))
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
				_, err = c.Write(make([]byte, 1))
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			}
			require.NoError(t, near.Close())
		})
	}
}

func TestWriteAfterCloseWrite(t *testing.T) {
	for name, link := range links {
		c1, c2 := tcpPair(t, Config{Write: link})
		require.NoError(t, c1.(*Conn).CloseWrite())
		_, err := c1.Write([]byte("x"))
		assert.ErrorIs(t, err, syscall.EPIPE, name)
		require.NoError(t, c1.Close())
		require.NoError(t, c2.Close())
	}
}

// The number of bytes in flight is limited, even for a writer that is far ahead.
func TestFlightIsBounded(t *testing.T) {
	inBubble(t, netem.Link{Latency: time.Second}, func(c *Conn, arrivals func() []arrival) {
		start := time.Now()
		for range 3 * maxFlight / (1 << 20) {
			_, err := c.Write(make([]byte, 1<<20))
			require.NoError(t, err)
		}
		assert.Equal(t, 2*time.Second, time.Since(start), "a flight of 16 MiB a second")
		require.NoError(t, c.Close())
		arrivals()
	})
}

func TestErrorInFlightMeetsTheNextWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c := NewConn(near, Config{Write: netem.Link{Latency: time.Second}})
		require.NoError(t, far.Close())
		_, err := c.Write([]byte("lost"))
		require.NoError(t, err)
		time.Sleep(2 * time.Second)
		_, err = c.Write([]byte("told"))
		assert.ErrorIs(t, err, io.ErrClosedPipe)
		require.NoError(t, c.Close())
	})
}

func TestCloseWrite(t *testing.T) {
	for name, link := range links {
		t.Run(name, func(t *testing.T) {
			c1, c2 := tcpPair(t, Config{Write: link})
			defer c1.Close()
			defer c2.Close()
			_, err := c1.Write([]byte("all of it"))
			require.NoError(t, err)
			require.NoError(t, c1.(*Conn).CloseWrite())
			got, err := io.ReadAll(c2)
			require.NoError(t, err)
			assert.Equal(t, "all of it", string(got))

			_, err = c2.Write([]byte("and back"))
			require.NoError(t, err)
			require.NoError(t, c2.Close())
			got, err = io.ReadAll(c1)
			require.NoError(t, err)
			assert.Equal(t, "and back", string(got), "the other direction stays open")
		})
	}
	t.Run("unsupported", func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c := NewConn(near, Config{})
		defer c.Close()
		assert.ErrorIs(t, c.CloseWrite(), errors.ErrUnsupported)
		assert.ErrorIs(t, c.CloseRead(), errors.ErrUnsupported)
	})
}

// On a mock clock over a real socket, time stands still until the clock is
// advanced.
func TestMockClockOverASocket(t *testing.T) {
	mock := clock.NewMock()
	c1, c2 := tcpPair(t, Config{Clock: mock, Write: netem.Link{Pace: netem.Pace{Bytes: 4, Wait: time.Hour}}})
	defer abort(c1)
	defer abort(c2)

	wrote := make(chan error, 1)
	go func() {
		_, err := c1.Write([]byte("12345678"))
		wrote <- err
	}()
	buffer := make([]byte, 8)
	n, err := c2.Read(buffer)
	require.NoError(t, err)
	assert.Equal(t, "1234", string(buffer[:n]))

	for received := false; !received; { // the writer may not have set its timer yet
		mock.Add(time.Hour)
		select {
		case err := <-wrote:
			require.NoError(t, err)
			received = true
		default:
		}
	}
	n, err = c2.Read(buffer)
	require.NoError(t, err)
	assert.Equal(t, "5678", string(buffer[:n]))

	require.NoError(t, c2.SetReadDeadline(mock.Now().Add(time.Minute)))
	read := make(chan error, 1)
	go func() {
		_, err := c2.Read(buffer)
		read <- err
	}()
	mock.Add(time.Minute)
	assert.ErrorIs(t, <-read, os.ErrDeadlineExceeded)
}

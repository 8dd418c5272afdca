package slownet

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An idleConn times out by itself, as the connections of many servers do.
type idleConn struct {
	net.Conn
	idle time.Duration
}

func (c *idleConn) Read(p []byte) (int, error) {
	_ = c.SetReadDeadline(time.Now().Add(c.idle))
	return c.Conn.Read(p)
}

func (c *idleConn) Write(p []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(c.idle))
	return c.Conn.Write(p)
}

// overIdlePipe is overPipe with a near end that times out by itself.
func overIdlePipe(t *testing.T, config Config, idle time.Duration, test func(t *testing.T, conn *Conn, far net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		conn := NewConn(&idleConn{near, idle}, config)
		test(t, conn, far)
		_ = conn.SetLinger(0)
		_ = conn.Close()
		_ = far.Close()
	})
}

// alone returns the link with a bottleneck of its own. A bottleneck that tests
// share would keep their times.
func alone(l netem.Link) netem.Link {
	if l.Bottleneck != nil {
		l.Bottleneck = netem.NewBottleneck(netem.Gbps)
	}
	return l
}

// The timeout of an inner connection is returned, whatever the link.
func TestIdleTimeoutOfTheInnerConnection(t *testing.T) {
	for name, link := range links {
		t.Run(name, func(t *testing.T) {
			overIdlePipe(t, bothWays(alone(link)), time.Second, func(t *testing.T, conn *Conn, far net.Conn) {
				for range 3 {
					start := time.Now()
					_, err := conn.Read(make([]byte, 1))
					assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
					assert.Equal(t, time.Second, time.Since(start))
				}
				start, err := time.Now(), error(nil)
				for err == nil { // nothing reads it
					_, err = conn.Write(make([]byte, 1<<20))
				}
				assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
				took := time.Since(start)
				assert.GreaterOrEqual(t, took, time.Second)
				assert.Less(t, took, time.Second+200*ms)
			})
		})
	}
}

// If a deadline was set before the connection was wrapped, every call returns its
// timeout.
func TestDeadlineFromBeforeTheWrapping(t *testing.T) {
	for name, link := range links {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				require.NoError(t, near.SetDeadline(time.Now().Add(time.Second)))
				conn := NewConn(near, bothWays(alone(link)))
				start := time.Now()
				for range 3 {
					_, err := conn.Read(make([]byte, 1))
					assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
					assert.Equal(t, time.Second, time.Since(start))
				}
				var err error
				for err == nil {
					_, err = conn.Write(make([]byte, 1000))
				}
				assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
				require.NoError(t, conn.SetDeadline(time.Time{}), "which removes it")
				go func() { _, _ = far.Write([]byte("x")) }()
				_, err = conn.Read(make([]byte, 1))
				assert.NoError(t, err)
				_ = conn.Close()
				_ = far.Close()
			})
		})
	}
}

// A fault wakes calls that wait in an inner connection that times out by itself, and
// restarts its idle time. An earlier deadline of the user's has priority.
func TestIdleTimeoutAndOurOwnDeadlines(t *testing.T) {
	overIdlePipe(t, bothWays(netem.Link{Latency: ms}), time.Second, func(t *testing.T, conn *Conn, far net.Conn) {
		start := time.Now()
		time.AfterFunc(600*ms, func() { conn.SetLinks(netem.Link{Latency: 2 * ms}, netem.Link{}) })
		_, err := conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, 1600*ms, time.Since(start))

		start = time.Now()
		require.NoError(t, conn.SetReadDeadline(start.Add(300*ms)))
		_, err = conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, 300*ms, time.Since(start))
	})
}

// If a fault happens at the instant at which the inner connection times out,
// the read ends then or an idle time later.
func TestFaultAtTheInstantOfAnIdleTimeout(t *testing.T) {
	for range 200 {
		overIdlePipe(t, bothWays(netem.Link{Latency: ms}), time.Second, func(t *testing.T, conn *Conn, far net.Conn) {
			start := time.Now()
			time.AfterFunc(time.Second, func() { conn.SetLinks(netem.Link{Latency: 2 * ms}, netem.Link{}) })
			_, err := conn.Read(make([]byte, 1))
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.Contains(t, []time.Duration{time.Second, 2 * time.Second}, time.Since(start))
		})
	}
}

// A timeout while bytes are in flight and no Read waits is dropped: a later
// read gets the bytes that have arrived meanwhile.
func TestIdleTimeoutWhileReadingAhead(t *testing.T) {
	overIdlePipe(t, bothWays(netem.Link{Latency: 300 * ms}), 100*ms, func(t *testing.T, conn *Conn, far net.Conn) {
		go func() {
			_, _ = far.Write([]byte("a"))
			time.Sleep(250 * ms)
			_, _ = far.Write([]byte("b"))
		}()
		start := time.Now()
		for _, want := range []time.Duration{300 * ms, 600 * ms} {
			_, err := conn.Read(make([]byte, 1))
			require.NoError(t, err)
			assert.Equal(t, want, time.Since(start))
		}
		_, err := conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, 700*ms, time.Since(start))
	})
}

// When the inner connection times out while written bytes are in flight, the bytes
// are lost. Every later write returns the timeout.
func TestIdleTimeoutLosesBytesInFlight(t *testing.T) {
	overIdlePipe(t, bothWays(netem.Link{Latency: 300 * ms}), 100*ms, func(t *testing.T, conn *Conn, far net.Conn) {
		_, err := conn.Write([]byte("lost"))
		require.NoError(t, err)
		time.Sleep(401 * ms)
		for range 3 {
			_, err = conn.Write([]byte("told"))
			assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		}
	})
}

// A generousConn returns a byte and a timeout together.
type generousConn struct{ net.Conn }

func (c generousConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p[:1])
	if err == nil {
		err = os.ErrDeadlineExceeded
	}
	return n, err
}

// A timeout that comes together with bytes is returned after them, and the
// next bytes after that.
func TestTimeoutTogetherWithBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		conn := NewConn(generousConn{near}, bothWays(netem.Link{Latency: 100 * ms}))
		for range 3 {
			go func() { _, _ = far.Write([]byte("x")) }()
			start := time.Now()
			n, err := conn.Read(make([]byte, 10))
			require.NoError(t, err)
			assert.Equal(t, 1, n)
			assert.Equal(t, 100*ms, time.Since(start))
			_, err = conn.Read(make([]byte, 10))
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		}
		require.NoError(t, conn.Close())
		_ = far.Close()
	})
}

func TestIdleTimeoutOfTheInnerPacketConn(t *testing.T) {
	for name, link := range map[string]netem.Link{
		"zero": {}, "mtu": {MTU: 1500}, "latency": {Latency: 10 * ms}, "queue": {Rate: netem.Mbps, Queue: netem.Queue{Bytes: 10000}}, "pace": {Pace: netem.Pace{Wait: ms}},
	} {
		t.Run(name, func(t *testing.T) {
			packetBubble(t, bothWays(link), func(t *testing.T, c *PacketConn, far *memoryConn) {
				c.inner.(*memoryConn).idle = time.Second
				for range 3 {
					start := time.Now()
					_, _, err := c.ReadFrom(make([]byte, 10))
					assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
					assert.Equal(t, time.Second, time.Since(start))
				}
				far.peer.set(func(m *memoryConn) { m.full = true })
				start, err := time.Now(), error(nil)
				for err == nil {
					_, err = c.WriteTo([]byte("x"), far.name)
					time.Sleep(ms)
				}
				assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
				assert.LessOrEqual(t, time.Since(start), time.Second+20*ms)
			})
		})
	}
}

// A timeout in the read-ahead of a PacketConn is dropped, too.
func TestIdleTimeoutWhileReadingDatagramsAhead(t *testing.T) {
	packetBubble(t, bothWays(netem.Link{Latency: 300 * ms}), func(t *testing.T, c *PacketConn, far *memoryConn) {
		c.inner.(*memoryConn).idle = 100 * ms
		go func() {
			far.send(t, "a")
			time.Sleep(250 * ms)
			far.send(t, "b")
		}()
		assert.Equal(t, []sent{{"a", 300 * ms}, {"b", 600 * ms}}, receive(t, c, 2))
		_, _, err := c.ReadFrom(make([]byte, 1))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
	})
}

// A timeoutError is a timeout as connections outside the net package return
// it.
type timeoutError struct{}

func (timeoutError) Error() string { return "timed out" }
func (timeoutError) Timeout() bool { return true }

func TestIsTimeout(t *testing.T) {
	for err, want := range map[error]bool{
		nil:                              false,
		net.ErrClosed:                    false,
		errors.New("timeout"):            false,
		syscall.ETIMEDOUT:                false,
		os.ErrDeadlineExceeded:           true,
		timeoutError{}:                   true,
		errno("read", syscall.ETIMEDOUT): false,
		&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}: true,
	} {
		assert.Equal(t, want, isTimeout(err), "%v", err)
	}
}

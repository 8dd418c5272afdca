package slownet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// streams are the two kinds of streams.
var streams = []netem.TCP{{}, {Congestion: netem.Unlimited}}

// overTCP returns the configuration with streams over TCP only.
func overTCP(config Config) Config {
	config.TCP.Congestion = netem.CUBIC
	return config
}

// ideal returns the configuration with ideal streams.
func ideal(config Config) Config {
	config.TCP = netem.TCP{Congestion: netem.Unlimited}
	return config
}

// overPipe runs a test in a bubble, with both ends of a pipe, the near one wrapped.
// Unless the configuration chooses a kind of stream, it runs the test twice: over
// TCP, and with ideal streams.
func overPipe(t *testing.T, config Config, test func(t *testing.T, conn *Conn, far net.Conn)) {
	kinds := streams
	if config.TCP != (netem.TCP{}) {
		kinds = []netem.TCP{config.TCP}
	}
	for _, tcp := range kinds {
		synctest.Test(t, func(t *testing.T) {
			config.TCP = tcp
			near, far := net.Pipe()
			conn := NewConn(near, config)
			test(t, conn, far)
			_ = conn.SetLinger(0)
			_ = conn.Close()
			_ = far.Close()
		})
	}
}

// bothWays returns a configuration with the same link in both directions.
func bothWays(link netem.Link) Config { return Config{Read: link, Write: link} }

// readOnce reads once, in the background.
func readOnce(conn net.Conn) <-chan arrival {
	start, arrived := time.Now(), make(chan arrival, 1)
	go func() {
		n, _ := conn.Read(make([]byte, 100))
		arrived <- arrival{n, time.Since(start)}
	}()
	synctest.Wait()
	return arrived
}

// A changed link applies to later bytes, even for calls that already wait.
// Bytes in flight are not overtaken.
func TestSetLinks(t *testing.T) {
	soon, late := netem.Link{Latency: 100 * ms}, netem.Link{Latency: time.Second}
	for _, from := range []netem.Link{{}, soon, {Rate: netem.Kbps}, {Pace: netem.Pace{Wait: 50 * ms}}} {
		overPipe(t, bothWays(from), func(t *testing.T, conn *Conn, far net.Conn) {
			read := readOnce(conn) // waits in the inner connection
			conn.SetLinks(soon, soon)
			_, err := far.Write([]byte("read"))
			require.NoError(t, err)
			assert.Equal(t, arrival{4, 100 * ms}, <-read)

			written := readOnce(far)
			_, err = conn.Write([]byte("written"))
			require.NoError(t, err)
			assert.Equal(t, arrival{7, 100 * ms}, <-written)
		})
	}
	overPipe(t, ideal(bothWays(late)), func(t *testing.T, conn *Conn, far net.Conn) {
		start := time.Now()
		arrivals := readAll(far)
		_, err := conn.Write(make([]byte, 10))
		require.NoError(t, err)
		conn.SetLinks(soon, soon)
		_, err = conn.Write(make([]byte, 1))
		require.NoError(t, err)
		require.NoError(t, shut(conn))
		assert.Equal(t, time.Second, time.Since(start))
		assert.Equal(t, []arrival{{11, time.Second}, {0, time.Second}}, <-arrivals)
	})
}

// When the limits are removed, bytes in flight arrive first. Then reads and
// writes go to the inner connection again.
func TestSetLinksToNone(t *testing.T) {
	overPipe(t, bothWays(netem.Link{Latency: time.Second}), func(t *testing.T, conn *Conn, far net.Conn) {
		go func() { _, _ = io.Copy(far, far) }()
		got := make([]byte, 12)
		for range 3 {
			_, err := conn.Write([]byte("under way"))
			require.NoError(t, err)
			conn.SetLinks(netem.Link{}, netem.Link{})
			go func() { _, _ = conn.Write([]byte("new")) }() // the pipe has no buffer
			_, err = io.ReadFull(conn, got)
			require.NoError(t, err)
			assert.Equal(t, "under waynew", string(got))
		}
		synctest.Wait() // until no background work is left
		go func() { _, _ = conn.Write([]byte("direct")) }()
		_, err := io.ReadFull(conn, got[:6])
		require.NoError(t, err)
		synctest.Wait()
		assert.False(t, conn.out.gate.isShut())
		assert.False(t, conn.in.gate.isShut())
	})
}

// A stall holds up bytes in flight, written bytes and bytes that wait to be
// read, in either direction. Deadlines still work. When the stall ends,
// everything continues.
func TestStall(t *testing.T) {
	for name, link := range map[string]netem.Link{
		"zero": {}, "latency": {Latency: 100 * ms}, "rate": {Rate: netem.Mbps}, "queue": {Rate: netem.Mbps, Queue: netem.Queue{Bytes: 1000}}, "pace": {Pace: netem.Pace{Wait: ms}},
	} {
		t.Run(name, func(t *testing.T) {
			overPipe(t, bothWays(link), func(t *testing.T, conn *Conn, far net.Conn) {
				read, written := readOnce(conn), readOnce(far)
				conn.Stall()
				go func() { _, _ = conn.Write([]byte("written")) }()
				go func() { _, _ = far.Write([]byte("read")) }()
				time.Sleep(10 * time.Second)
				select {
				case <-read:
					t.Error("something was read")
				case <-written:
					t.Error("something was written")
				default:
				}
				conn.Resume()
				in, out := <-read, <-written
				assert.Equal(t, 4, in.bytes)
				assert.Equal(t, 7, out.bytes)
				for _, at := range []time.Duration{in.at, out.at} {
					assert.GreaterOrEqual(t, at, 10*time.Second)
					assert.LessOrEqual(t, at, 10*time.Second+100*ms)
				}

				conn.Stall()
				require.NoError(t, conn.SetDeadline(time.Now().Add(time.Second)))
				_, err := conn.Read(make([]byte, 1))
				assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
				_, err = conn.Write(make([]byte, 1))
				assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
			})
		})
	}
}

// Close of a stalled connection gives up after five seconds.
func TestCloseOfAStalledConnection(t *testing.T) {
	for name, link := range map[string]netem.Link{"latency": {Latency: ms}, "queue": {Rate: netem.Mbps, Queue: netem.Queue{Bytes: 1000}}} {
		t.Run(name, func(t *testing.T) {
			overPipe(t, bothWays(link), func(t *testing.T, conn *Conn, far net.Conn) {
				_, err := conn.Write(make([]byte, 100))
				require.NoError(t, err)
				conn.Stall()
				start := time.Now()
				assert.EqualError(t, shut(conn), "slownet: drain: the last 100 bytes that were written were discarded: nothing moved for 5s after the close")
				assert.GreaterOrEqual(t, time.Since(start), 5*time.Second)
				assert.LessOrEqual(t, time.Since(start), 5*time.Second+10*ms)
			})
		})
	}
	for _, resume := range []time.Duration{time.Second, time.Hour} {
		overPipe(t, Config{}, func(t *testing.T, conn *Conn, far net.Conn) {
			conn.Stall()
			start, end := time.Now(), readAll(far)
			time.AfterFunc(resume, conn.Resume)
			assert.NoError(t, shut(conn))
			want := min(resume, maxStall)
			assert.Equal(t, want, time.Since(start), "the end of the stream is held up too")
			assert.Equal(t, []arrival{{0, want}}, <-end)
		})
	}
}

// A reset is a real one on TCP, even of an idle or a stalled connection, and
// wakes blocked calls at either end.
func TestReset(t *testing.T) {
	for name, link := range links {
		for _, stalled := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				near, far := tcpPairOf(t, bothWays(link), Config{})
				conn := near.(*Conn)
				var waiting sync.WaitGroup
				waiting.Go(func() {
					_, err := conn.Read(make([]byte, 1))
					assert.ErrorIs(t, err, syscall.ECONNRESET)
				})
				waiting.Go(func() {
					_, err := far.Read(make([]byte, 1))
					assert.ErrorIs(t, err, syscall.ECONNRESET)
				})
				time.Sleep(ms)
				if stalled {
					conn.Stall()
				}
				conn.Reset()
				conn.Reset()
				waiting.Wait()
				_, err := conn.Write([]byte("x"))
				assert.ErrorIs(t, err, syscall.ECONNRESET)
				var opError *net.OpError
				assert.ErrorAs(t, err, &opError)
				assert.NoError(t, conn.SetDeadline(time.Now()))
				assert.NoError(t, conn.Close())
				assert.NoError(t, far.Close())
			})
		}
	}
}

// A writer that waits for the link, or for its peer, gets the reset's error.
func TestResetWakesAWriter(t *testing.T) {
	for name, link := range links {
		t.Run(name, func(t *testing.T) {
			near, far := tcpPairOf(t, bothWays(link), Config{})
			conn := near.(*Conn)
			failed := make(chan error, 1)
			go func() {
				for {
					if _, err := conn.Write(make([]byte, 1<<20)); err != nil {
						failed <- err
						return
					}
				}
			}()
			time.Sleep(10 * ms)
			conn.Reset()
			assert.ErrorIs(t, <-failed, syscall.ECONNRESET)
			assert.NoError(t, conn.Close())
			assert.NoError(t, far.Close())
		})
	}
}

// Bytes up to the given number arrive, and then both ends see the end.
func TestCloseAfterWritten(t *testing.T) {
	for name, link := range links {
		t.Run(name, func(t *testing.T) {
			near, far := tcpPairOf(t, bothWays(link), Config{})
			conn := near.(*Conn)
			reading := make(chan error, 1)
			go func() {
				_, err := conn.Read(make([]byte, 1))
				reading <- err
			}()
			conn.CloseAfter(Write, 10)
			n, err := conn.Write([]byte("123456"))
			assert.Equal(t, 6, n)
			assert.NoError(t, err)
			n, err = conn.Write([]byte("7890 and more"))
			assert.Equal(t, 4, n)
			assert.ErrorIs(t, err, syscall.EPIPE)
			got, err := io.ReadAll(far)
			assert.NoError(t, err)
			assert.Equal(t, "1234567890", string(got))
			assert.Equal(t, io.EOF, <-reading)
			_, err = conn.Write([]byte("more"))
			assert.ErrorIs(t, err, syscall.EPIPE)
			assert.NoError(t, conn.Close())
			assert.NoError(t, far.Close())
		})
	}
}

// Bytes up to the given number are read, and then both ends see the end.
func TestCloseAfterRead(t *testing.T) {
	for name, link := range links {
		t.Run(name, func(t *testing.T) {
			near, far := tcpPairOf(t, bothWays(link), Config{})
			conn := near.(*Conn)
			conn.CloseAfter(Read, 10)
			_, err := far.Write([]byte("1234567890"))
			require.NoError(t, err)
			got, err := io.ReadAll(conn)
			assert.NoError(t, err)
			assert.Equal(t, "1234567890", string(got))
			_, err = far.Read(make([]byte, 1))
			assert.Equal(t, io.EOF, err)
			_, err = conn.Write([]byte("more"))
			assert.ErrorIs(t, err, syscall.EPIPE)
			assert.NoError(t, conn.Close())
			assert.NoError(t, far.Close())
		})
	}
}

// A limit of zero closes at once; a cancelled one does nothing.
func TestCloseAfterNothing(t *testing.T) {
	near, far := tcpPairOf(t, Config{}, Config{})
	conn := near.(*Conn)
	conn.CloseAfter(Write, 10)
	conn.CloseAfter(Write, -1)
	_, err := conn.Write(make([]byte, 100))
	require.NoError(t, err)
	conn.CloseAfter(Write, 0)
	got, err := io.ReadAll(far)
	assert.NoError(t, err)
	assert.Len(t, got, 100)
	assert.NoError(t, conn.Close())
	assert.NoError(t, far.Close())
}

// tcpPairOf returns the two ends of a loopback connection, each wrapped in its
// own way.
func tcpPairOf(t *testing.T, near, far Config) (net.Conn, net.Conn) {
	dialled, accepted := rawTCPPair(t)
	return NewConn(dialled, near), NewConn(accepted, far)
}

// When a packet of an ideal stream has been lost sixteen times in a row, the sender
// gives up: after 1 + 2 + 4 + 8 + 16 + 32 s and ten minutes.
func TestALinkThatLosesAll(t *testing.T) {
	overPipe(t, ideal(Config{Write: netem.Link{Loss: netem.Loss{Random: 1}}}), func(t *testing.T, conn *Conn, far net.Conn) {
		start := time.Now()
		go func() { _, _ = conn.Write([]byte("lost")) }()
		_, err := conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ETIMEDOUT)
		assert.Equal(t, 63*time.Second+10*time.Minute, time.Since(start))
		_, err = conn.Write([]byte("more"))
		assert.ErrorIs(t, err, syscall.ETIMEDOUT)
		_, err = far.Read(make([]byte, 1))
		assert.Equal(t, io.EOF, err)
	})
}

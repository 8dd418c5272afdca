package reactor_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/reactor"
	"github.com/slowpoetry/slowpoetry/simtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = time.Millisecond

// kinds are the kinds of connections that a reactor distinguishes. Each function returns
// a connected pair, whose first end is for the reactor.
var kinds = map[string]func(t *testing.T) (net.Conn, net.Conn){
	"tcp": func(t *testing.T) (net.Conn, net.Conn) { return socketPair(t, "tcp", "127.0.0.1:0") },
	"unix": func(t *testing.T) (net.Conn, net.Conn) {
		if runtime.GOOS == "windows" {
			t.Skip("not everywhere on Windows")
		}
		return socketPair(t, "unix", filepath.Join(t.TempDir(), "s"))
	},
	"wrapped": func(t *testing.T) (net.Conn, net.Conn) {
		c1, c2 := socketPair(t, "tcp", "127.0.0.1:0")
		return struct{ net.Conn }{c1}, c2
	},
	"pipe": func(*testing.T) (net.Conn, net.Conn) { return net.Pipe() },
}

func socketPair(t *testing.T, network, address string) (net.Conn, net.Conn) {
	listener, err := net.Listen(network, address)
	require.NoError(t, err)
	defer listener.Close()
	c1, err := net.Dial(network, listener.Addr().String())
	require.NoError(t, err)
	c2, err := listener.Accept()
	require.NoError(t, err)
	return c1, c2
}

// eachKind runs a test with connections of every kind, and with simulated ones. The test
// gets a function that makes connections.
func eachKind(t *testing.T, test func(t *testing.T, pair func() (net.Conn, net.Conn))) {
	for name, pair := range kinds {
		t.Run(name, func(t *testing.T) {
			test(t, func() (net.Conn, net.Conn) { return pair(t) })
		})
	}
	t.Run("simulated", func(t *testing.T) {
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			listener, err := sim.Host("b").Listen("tcp", ":1")
			require.NoError(t, err)
			test(t, func() (net.Conn, net.Conn) {
				c1, err := sim.Host("a").DialContext(t.Context(), "tcp", "b:1")
				require.NoError(t, err)
				c2, err := listener.Accept()
				require.NoError(t, err)
				return c1, c2
			})
		})
	})
}

// A collector is a handler that keeps everything it reads and closes at the end.
type collector struct {
	buffer []byte // to read into
	data   strings.Builder
	err    error // the error that ended the connection
	turns  int
}

func newCollector(size int) *collector { return &collector{buffer: make([]byte, size)} }

func (c *collector) Readable(conn *reactor.Conn) {
	c.turns++
	n, err := conn.Read(c.buffer)
	c.data.Write(c.buffer[:n])
	if err != nil && err != reactor.ErrWouldBlock {
		c.err = err
		_ = conn.Close()
	}
}

func TestReadsUntilClosed(t *testing.T) {
	eachKind(t, func(t *testing.T, pair func() (net.Conn, net.Conn)) {
		near, far := pair()
		var r reactor.Reactor
		c := newCollector(1000)
		r.Add(near, c)
		go func() {
			defer far.Close()
			for _, word := range []string{"one ", "two ", "three"} {
				_, _ = io.WriteString(far, word)
				time.Sleep(ms)
			}
		}()
		require.NoError(t, r.Run())
		assert.Equal(t, "one two three", c.data.String())
		assert.Equal(t, io.EOF, c.err)
		_, err := near.Read(make([]byte, 1))
		assert.Error(t, err, "the connection is closed")
		require.NoError(t, r.Run(), "with nothing to do it returns at once")
	})
}

// A handler that reads less than is available gets another turn, until everything is
// read.
func TestReadsInSmallPieces(t *testing.T) {
	text := strings.Repeat("0123456789", 1000)
	eachKind(t, func(t *testing.T, pair func() (net.Conn, net.Conn)) {
		near, far := pair()
		var r reactor.Reactor
		c := newCollector(7)
		r.Add(near, c)
		go func() {
			defer far.Close()
			_, _ = io.WriteString(far, text)
		}()
		require.NoError(t, r.Run())
		assert.Equal(t, text, c.data.String())
		assert.GreaterOrEqual(t, c.turns, len(text)/7)
	})
}

// A handler may read until nothing is left.
func TestWouldBlock(t *testing.T) {
	eachKind(t, func(t *testing.T, pair func() (net.Conn, net.Conn)) {
		near, far := pair()
		defer far.Close()
		var r reactor.Reactor
		var got []byte
		blocked := 0
		r.Add(near, reactor.HandlerFunc(func(c *reactor.Conn) {
			assert.True(t, near == c.NetConn())
			buffer := make([]byte, 2)
			for {
				n, err := c.Read(buffer)
				got = append(got, buffer[:n]...)
				if err == reactor.ErrWouldBlock {
					blocked++
					if len(got) == 5 {
						assert.NoError(t, c.Close())
						assert.ErrorIs(t, c.Close(), net.ErrClosed)
						_, err = c.Read(buffer)
						assert.ErrorIs(t, err, net.ErrClosed)
					}
					return
				}
				if !assert.NoError(t, err) {
					return
				}
			}
		}))
		go func() { _, _ = io.WriteString(far, "12345") }()
		require.NoError(t, r.Run())
		assert.Equal(t, "12345", string(got))
		assert.Positive(t, blocked)
	})
}

// One connection with endless data does not starve the others.
func TestFairness(t *testing.T) {
	eachKind(t, func(t *testing.T, pair func() (net.Conn, net.Conn)) {
		loudNear, loudFar := pair()
		quietNear, quietFar := pair()
		var r reactor.Reactor
		loud, quiet := newCollector(16), newCollector(16)
		var writers sync.WaitGroup
		writers.Go(func() { _, _ = io.Copy(loudFar, &forever{}) })
		loudConn := r.Add(loudNear, reactor.HandlerFunc(func(c *reactor.Conn) {
			loud.Readable(c)
			if loud.turns == 100 { // while bytes keep arriving
				writers.Go(func() {
					_, _ = io.WriteString(quietFar, "may I?")
					_ = quietFar.Close()
				})
			}
		}))
		r.Add(quietNear, reactor.HandlerFunc(func(c *reactor.Conn) {
			quiet.Readable(c)
			if quiet.err != nil {
				_ = loudConn.Close()
			}
		}))
		require.NoError(t, r.Run())
		assert.Equal(t, "may I?", quiet.data.String())
		_ = loudFar.Close()
		writers.Wait()
	})
}

// forever is an endless reader.
type forever struct{}

func (*forever) Read(p []byte) (int, error) { return len(p), nil }

func TestManyConnections(t *testing.T) {
	eachKind(t, func(t *testing.T, pair func() (net.Conn, net.Conn)) {
		var r reactor.Reactor
		var writers sync.WaitGroup
		collectors := make([]*collector, 100)
		for i := range collectors {
			near, far := pair()
			collectors[i] = newCollector(100)
			r.Add(near, collectors[i])
			writers.Go(func() {
				for range 10 {
					_, _ = far.Write([]byte{byte(i)})
				}
				_ = far.Close()
			})
		}
		require.NoError(t, r.Run())
		for i, c := range collectors {
			assert.Equal(t, strings.Repeat(string([]byte{byte(i)}), 10), c.data.String())
			assert.Equal(t, io.EOF, c.err)
		}
		writers.Wait()
	})
}

func TestReset(t *testing.T) {
	eachKind(t, func(t *testing.T, pair func() (net.Conn, net.Conn)) {
		near, far := pair()
		lingerer, ok := far.(interface{ SetLinger(int) error })
		if !ok {
			t.Skip("this kind knows no reset")
		}
		var r reactor.Reactor
		c := newCollector(10)
		r.Add(near, c)
		require.NoError(t, lingerer.SetLinger(0))
		require.NoError(t, far.Close())
		require.NoError(t, r.Run())
		require.ErrorIs(t, c.err, syscall.ECONNRESET)
		var opError *net.OpError
		require.ErrorAs(t, c.err, &opError)
		assert.Equal(t, "read", opError.Op)
	})
}

// A handler is not called after Close, even if its connection was readable when
// another handler closed it.
func TestNoHandlerIsCalledAfterClose(t *testing.T) {
	eachKind(t, func(t *testing.T, pair func() (net.Conn, net.Conn)) {
		var r reactor.Reactor
		var conns []*reactor.Conn
		var writers sync.WaitGroup
		calls := 0
		closeAll := reactor.HandlerFunc(func(*reactor.Conn) {
			calls++
			for _, c := range conns {
				_ = c.Close()
			}
		})
		for range 2 {
			near, far := pair()
			conns = append(conns, r.Add(near, closeAll))
			writers.Go(func() {
				_, _ = io.WriteString(far, "x")
				_ = far.Close()
			})
		}
		r.Call(func() { time.Sleep(10 * ms) }) // until both are readable
		require.NoError(t, r.Run())
		assert.Equal(t, 1, calls)
		writers.Wait()
	})
}

// A loop that was woken to run a function still waits for its connections afterwards.
func TestReadsAfterItWasWoken(t *testing.T) {
	eachKind(t, func(t *testing.T, pair func() (net.Conn, net.Conn)) {
		near, far := pair()
		var r reactor.Reactor
		c := newCollector(10)
		conn := r.Add(near, c)
		var writer sync.WaitGroup
		r.Go(func() { time.Sleep(10 * ms) }, func() {
			writer.Go(func() {
				time.Sleep(10 * ms)
				_, _ = io.WriteString(far, "text")
				_ = far.Close()
			})
		})
		r.AfterFunc(10*time.Second, func() { _ = conn.Close() }) // so that a failing test ends
		require.NoError(t, r.Run())
		assert.Equal(t, "text", c.data.String())
		writer.Wait()
	})
}

func TestCloseBeforeRun(t *testing.T) {
	eachKind(t, func(t *testing.T, pair func() (net.Conn, net.Conn)) {
		near, far := pair()
		defer far.Close()
		var r reactor.Reactor
		c := r.Add(near, newCollector(1))
		_, err := c.Read(make([]byte, 1))
		assert.Equal(t, reactor.ErrWouldBlock, err)
		require.NoError(t, c.Close())
		require.NoError(t, r.Run())
	})
}

// The goroutine that runs the loop calls all handlers, timers and other functions, even if
// other goroutines passed them to the loop.
func TestOneGoroutine(t *testing.T) {
	var r reactor.Reactor
	var unguarded []int // the race detector watches it
	var others sync.WaitGroup
	for i := range 100 {
		others.Go(func() {
			r.Call(func() { unguarded = append(unguarded, i) })
			r.Go(func() {}, func() { unguarded = append(unguarded, i) })
		})
	}
	others.Wait()
	require.NoError(t, r.Run())
	assert.Len(t, unguarded, 200)
}

func TestGoDoesNotBlockTheLoop(t *testing.T) {
	var r reactor.Reactor
	var order []string
	release := make(chan struct{})
	r.Go(func() { <-release }, func() { order = append(order, "job") })
	r.Call(func() {
		order = append(order, "call")
		close(release)
	})
	require.NoError(t, r.Run())
	assert.Equal(t, []string{"call", "job"}, order)
}

// When Run has returned, its file descriptors are closed.
func TestDescriptorsAreClosed(t *testing.T) {
	count := func() int {
		files, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("no /proc here")
		}
		return len(files)
	}
	before := count()
	for range 20 {
		near, far := socketPair(t, "tcp", "127.0.0.1:0")
		var r reactor.Reactor
		r.Add(near, newCollector(1))
		require.NoError(t, far.Close())
		require.NoError(t, r.Run())
	}
	assert.LessOrEqual(t, count(), before)
}

// The loop sleeps in the runtime's poller: waiting uses no processor time and
// no thread.
func TestSleepingLoopsTakeNoThreads(t *testing.T) {
	var loops sync.WaitGroup
	var fars []net.Conn
	for range 200 {
		near, far := socketPair(t, "tcp", "127.0.0.1:0")
		fars = append(fars, far)
		var r reactor.Reactor
		r.Add(near, newCollector(1))
		loops.Go(func() { assert.NoError(t, r.Run()) })
	}
	time.Sleep(50 * ms)
	if threads, err := os.ReadDir("/proc/self/task"); err == nil {
		assert.Less(t, len(threads), 100)
	}
	for _, far := range fars {
		_ = far.Close()
	}
	loops.Wait()
}

// A connection whose deadline has passed fails with the error of a read.
func TestReadErrorThatIsNotTheEnd(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	require.NoError(t, near.SetReadDeadline(time.Unix(1, 0)))
	var r reactor.Reactor
	c := newCollector(1)
	r.Add(near, c)
	require.NoError(t, r.Run())
	assert.True(t, errors.Is(c.err, os.ErrDeadlineExceeded))
}

// An empty read says nothing about the end of the stream.
func TestEmptyRead(t *testing.T) {
	eachKind(t, func(t *testing.T, pair func() (net.Conn, net.Conn)) {
		near, far := pair()
		go func() {
			_, _ = io.WriteString(far, "word")
			_ = far.Close()
		}()
		var r reactor.Reactor
		var got strings.Builder
		r.Add(near, reactor.HandlerFunc(func(c *reactor.Conn) {
			n, err := c.Read(nil)
			assert.Zero(t, n)
			if err != nil && err != reactor.ErrWouldBlock {
				assert.Equal(t, io.EOF, err)
				assert.Equal(t, "word", got.String(), "the end comes after the whole word")
			}
			buffer := make([]byte, 1)
			n, err = c.Read(buffer)
			got.Write(buffer[:n])
			if err != nil && err != reactor.ErrWouldBlock {
				_ = c.Close()
			}
		}))
		require.NoError(t, r.Run())
		assert.Equal(t, "word", got.String())
	})
}

// If a connection is closed outside of the loop, which is a mistake, its read
// fails as usual.
func TestConnectionThatWasClosedOutsideTheLoop(t *testing.T) {
	for _, kind := range []string{"tcp", "unix"} {
		near, far := kinds[kind](t)
		defer far.Close()
		var r reactor.Reactor
		c := r.Add(near, newCollector(1))
		r.AfterFunc(ms, func() {
			_ = near.Close()
			for err := error(reactor.ErrWouldBlock); err == reactor.ErrWouldBlock; time.Sleep(ms) {
				_, err = c.Read(make([]byte, 1))
				if err != reactor.ErrWouldBlock {
					assert.ErrorIs(t, err, net.ErrClosed)
					var op *net.OpError
					require.ErrorAs(t, err, &op)
					assert.Equal(t, "read", op.Op)
				}
			}
			_ = c.Close()
		})
		r.Go(func() { time.Sleep(50 * ms) }, func() {})
		require.NoError(t, r.Run())
	}
}

package reactor_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/reactor"
)

// A process is a process with few file descriptors.
type process struct {
	mu    sync.Mutex
	free  int
	dials int
	err   syscall.Errno
}

// take takes a descriptor, if there is one.
func (p *process) take() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dials++
	if p.free == 0 {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", p.err)}
	}
	p.free--
	return nil
}

func (p *process) give() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free++
}

// connect returns a dial function for a connection that uses a descriptor and
// ends after a while.
func (p *process) connect(lasts time.Duration) func(context.Context) (net.Conn, error) {
	return func(context.Context) (net.Conn, error) {
		if err := p.take(); err != nil {
			return nil, err
		}
		near, far := net.Pipe()
		time.AfterFunc(lasts, func() { _ = far.Close() })
		return &owned{near, p}, nil
	}
}

// An owned is a connection that gives its descriptor back when it is closed.
type owned struct {
	net.Conn
	process *process
}

func (c *owned) Close() error {
	c.process.give()
	return c.Conn.Close()
}

// untilClosed adds a connection to the loop, with a handler that closes it at the end of
// its stream.
func untilClosed(r *reactor.Reactor, conn net.Conn) {
	r.Add(conn, reactor.HandlerFunc(func(c *reactor.Conn) {
		if _, err := c.Read(make([]byte, 1)); err != nil && err != reactor.ErrWouldBlock {
			_ = c.Close()
		}
	}))
}

// Dials without a free descriptor are retried, in the order of their requests,
// and the shortage is reported once.
func TestDialsWaitForDescriptors(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE} {
		for range 50 {
			synctest.Test(t, func(t *testing.T) {
				p := &process{free: 14, err: errno}
				var r reactor.Reactor
				var told []error
				r.OutOfDescriptors = func(err error) { told = append(told, err) }
				start := time.Now()
				got := map[time.Duration][]string{}
				for i := range 40 {
					r.Dial(i%2, p.connect(500*time.Millisecond), func(conn net.Conn, err error) {
						if assert.NoError(t, err) {
							at := time.Since(start)
							got[at] = append(got[at], fmt.Sprint(i))
							untilClosed(&r, conn)
						}
					})
				}
				require.NoError(t, r.Run())
				require.Len(t, told, 1)
				require.ErrorIs(t, told[0], errno)
				require.Len(t, got[0], 14)
				require.GreaterOrEqual(t, len(got[500*time.Millisecond]), 10, "14, minus a few for other uses")
				require.Equal(t, 14, p.free)
				require.Less(t, p.dials, 40+40+20, "none is retried endlessly")
			})
		}
	}
}

// Even if there are only few descriptors, most of them are used.
func TestFewDescriptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &process{free: 4, err: syscall.EMFILE}
		var r reactor.Reactor
		start, got := time.Now(), map[time.Duration]int{}
		for range 9 {
			r.Dial("key", p.connect(500*time.Millisecond), func(conn net.Conn, err error) {
				require.NoError(t, err)
				got[time.Since(start)]++
				untilClosed(&r, conn)
			})
		}
		require.NoError(t, r.Run())
		assert.Equal(t, 4, got[0])
		assert.GreaterOrEqual(t, got[500*time.Millisecond], 3)
	})
}

// When there are enough descriptors again, the loop no longer limits the number of dials.
func TestDescriptorsAreAvailableAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &process{free: 2, err: syscall.EMFILE}
		var r reactor.Reactor
		start, late := time.Now(), 0
		dial := func(then func()) {
			r.Dial("key", p.connect(time.Second), func(conn net.Conn, err error) {
				require.NoError(t, err)
				then()
				untilClosed(&r, conn)
			})
		}
		for range 4 {
			dial(func() {})
		}
		r.Go(func() { time.Sleep(time.Minute) }, func() {
			p.free = 100
			for range 50 {
				dial(func() {
					late++
					assert.Equal(t, time.Minute, time.Since(start))
				})
			}
		})
		require.NoError(t, r.Run())
		assert.Equal(t, 50, late)
	})
}

// A request that waits for a descriptor is retried each second, as another part of the
// process may have freed one. It can be canceled meanwhile, and its time limit starts only
// when its function is called.
func TestDescriptorsOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &process{free: 1, err: syscall.EMFILE}
		var r reactor.Reactor
		start := time.Now()
		r.Dial("long", p.connect(time.Hour), func(conn net.Conn, err error) {
			require.NoError(t, err)
			untilClosed(&r, conn)
		})
		r.AfterFunc(100*time.Millisecond, func() {
			canceled := r.Dial("a", p.connect(time.Second), func(net.Conn, error) { t.Error("it was canceled") })
			r.DialTimeout("b", time.Second, p.connect(time.Second), func(conn net.Conn, err error) {
				require.NoError(t, err)
				assert.Equal(t, 5100*time.Millisecond, time.Since(start))
				untilClosed(&r, conn)
			})
			r.AfterFunc(3*time.Second, canceled)
			time.AfterFunc(4500*time.Millisecond, p.give)
		})
		require.NoError(t, r.Run())
		assert.Equal(t, time.Hour, time.Since(start))
	})
}

// If descriptors have run out, lookups fail without mentioning the cause, and are retried
// for a while. Otherwise the error of an unknown name is returned at once.
func TestLookupsWithoutDescriptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &process{free: 8, err: syscall.EMFILE}
		notFound := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}}
		start := time.Now()
		var lookups atomic.Int64
		lookup := func(lasts time.Duration) func(ctx context.Context) (net.Conn, error) {
			return func(ctx context.Context) (net.Conn, error) {
				lookups.Add(1)
				time.Sleep(time.Millisecond)
				if time.Since(start) < lasts {
					return nil, notFound
				}
				return p.connect(time.Second)(ctx)
			}
		}
		var r reactor.Reactor
		got := map[string]time.Duration{}
		then := func(name string) func(conn net.Conn, err error) {
			return func(conn net.Conn, err error) {
				got[fmt.Sprint(name, " ", err == nil)] = time.Since(start)
				if conn != nil {
					untilClosed(&r, conn)
				}
			}
		}
		r.Dial("unknown", lookup(time.Hour), then("unknown"))
		require.NoError(t, r.Run())
		assert.Equal(t, map[string]time.Duration{"unknown false": time.Millisecond}, got)

		for range 9 {
			r.Dial("a", p.connect(20*time.Second), then("a"))
		}
		r.Dial("soon", lookup(5*time.Second), then("soon"))
		r.Dial("never", lookup(time.Hour), then("never"))
		canceled := r.Dial("canceled", lookup(time.Hour), then("canceled"))
		r.AfterFunc(3*time.Second, canceled)
		require.NoError(t, r.Run())
		assert.Equal(t, 20*time.Second, got["soon true"].Truncate(time.Second))
		assert.GreaterOrEqual(t, got["never false"], 10*time.Second)
		assert.Len(t, got, 4)
		assert.Equal(t, 8, p.free)
		assert.Less(t, lookups.Load(), int64(50), "lookups are not retried endlessly")
	})
}

// If a lookup is the first call that finds no free descriptor, it is retried each second
// for ten seconds, whatever the number of dials with its key.
func TestLookupsAreRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		starved := errors.Join(&net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}, syscall.EMFILE)
		var r reactor.Reactor
		told := 0
		r.OutOfDescriptors = func(err error) {
			assert.Equal(t, starved, err)
			told++
		}
		start := time.Now()
		var dials atomic.Int64
		failed := 0
		for range 3 {
			r.Dial("never", func(context.Context) (net.Conn, error) {
				dials.Add(1)
				return nil, starved
			}, func(conn net.Conn, err error) {
				failed++
				assert.Equal(t, starved, err)
				assert.Equal(t, 10*time.Second, time.Since(start))
			})
		}
		p := &process{free: 1}
		r.Dial("soon", func(ctx context.Context) (net.Conn, error) {
			if time.Since(start) < 3*time.Second {
				return nil, starved
			}
			return p.connect(time.Second)(ctx)
		}, func(conn net.Conn, err error) {
			require.NoError(t, err)
			assert.Equal(t, 3*time.Second, time.Since(start))
			untilClosed(&r, conn)
		})
		require.NoError(t, r.Run())
		assert.Equal(t, 1, told)
		assert.Equal(t, 3, failed)
		assert.LessOrEqual(t, dials.Load(), int64(3*11))
		assert.Equal(t, 10*time.Second, time.Since(start))
	})
}

// A lookup that is canceled while it waits for its retry does not keep the loop
// from ending.
func TestLookupThatIsCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &process{free: 1, err: syscall.EMFILE}
		var r reactor.Reactor
		start := time.Now()
		for range 2 {
			r.Dial("a", p.connect(time.Second), func(conn net.Conn, err error) { untilClosed(&r, conn) })
		}
		cancel := r.Dial("b", func(context.Context) (net.Conn, error) {
			time.Sleep(1900 * time.Millisecond)
			return nil, &net.DNSError{Err: "no such host", Name: "b", IsNotFound: true}
		}, func(net.Conn, error) { t.Error("it was canceled") })
		r.AfterFunc(1950*time.Millisecond, cancel)
		require.NoError(t, r.Run())
		assert.Equal(t, 2*time.Second, time.Since(start))
	})
}

// If the loop has no open connection, waiting would free no descriptor, so dials fail.
func TestNoDescriptorAtAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &process{err: syscall.EMFILE}
		var r reactor.Reactor
		start := time.Now()
		failed := 0
		for i := range 10 {
			r.Dial(i%3, p.connect(0), func(conn net.Conn, err error) {
				assert.ErrorIs(t, err, syscall.EMFILE)
				assert.Nil(t, conn)
				failed++
			})
		}
		require.NoError(t, r.Run())
		assert.Equal(t, 10, failed)
		assert.Zero(t, time.Since(start))
	})
}

// When no dial waits, the loop forgets the limit; the next shortage is reported
// again.
func TestOutOfDescriptorsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &process{free: 2, err: syscall.EMFILE}
		var r reactor.Reactor
		told := 0
		r.OutOfDescriptors = func(error) { told++ }
		dial := func() {
			for range 4 {
				r.Dial("key", p.connect(time.Second), func(conn net.Conn, err error) {
					require.NoError(t, err)
					untilClosed(&r, conn)
				})
			}
		}
		dial()
		r.Go(func() { time.Sleep(time.Minute) }, dial)
		require.NoError(t, r.Run())
		assert.Equal(t, 2, told)
	})
}

// The time limit of a dial starts when its function is called, however long the request has
// waited for its turn. A connection that is made too late is closed.
func TestDialTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r reactor.Reactor
		start := time.Now()
		p := &process{free: 1000}
		dial := func(ctx context.Context) (net.Conn, error) {
			<-ctx.Done()
			return p.connect(0)(ctx)
		}
		var failed []time.Duration
		for range 600 {
			r.DialTimeout("key", time.Second, dial, func(conn net.Conn, err error) {
				assert.Equal(t, reactor.ErrDialTimeout, err)
				assert.Nil(t, conn)
				failed = append(failed, time.Since(start))
			})
		}
		require.NoError(t, r.Run())
		require.Len(t, failed, 600)
		assert.IsNonDecreasing(t, failed)
		assert.Equal(t, time.Second, failed[255])
		assert.Equal(t, 2*time.Second, failed[256])
		assert.Equal(t, 3*time.Second, failed[599])
		assert.Equal(t, 1000, p.free)
	})
}

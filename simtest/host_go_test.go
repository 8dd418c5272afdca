package simtest_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// A host's goroutine ends with it, and is not started again.
func TestGoroutineOfAHostEndsWithIt(t *testing.T) {
	for name, test := range map[string]struct {
		end   func(h *simtest.Host)
		cause error
	}{
		"Crash":   {(*simtest.Host).Crash, simtest.ErrCrashed},
		"Kill":    {(*simtest.Host).Kill, simtest.ErrKilled},
		"Restart": {(*simtest.Host).Restart, simtest.ErrCrashed},
	} {
		t.Run(name, func(t *testing.T) {
			simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
				host := sim.Host("a")
				var began, ended []time.Duration
				goOn := func() {
					host.Go(func(ctx context.Context) {
						began = append(began, sim.Elapsed())
						<-ctx.Done()
						assert.Equal(t, test.cause, context.Cause(ctx))
						ended = append(ended, sim.Elapsed())
					})
				}
				goOn()
				time.Sleep(time.Second)
				test.end(host)
				time.Sleep(time.Second)
				assert.Equal(t, []time.Duration{0}, began)
				assert.Equal(t, []time.Duration{time.Second}, ended)
				host.Restart()
				time.Sleep(time.Second)
				assert.Len(t, began, 1, "Restart does not repeat it")

				goOn()
				sim.Settle()
				assert.Equal(t, []time.Duration{0, 3 * time.Second}, began)
				assert.Len(t, ended, 1, "the host runs")
				test.end(host)
				sim.Settle()
				assert.Equal(t, []time.Duration{time.Second, 3 * time.Second}, ended)
			})
		})
	}
}

// Go calls its function even on a host that is down, so that callers that wait for it
// do not wait forever.
func TestGoroutineOfAHostThatDoesNotRun(t *testing.T) {
	for cause, end := range map[error]func(h *simtest.Host){
		simtest.ErrCrashed: (*simtest.Host).Crash,
		simtest.ErrKilled:  (*simtest.Host).Kill,
	} {
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			host := sim.Host("a")
			end(host)
			var calls sync.WaitGroup
			for range 2 {
				calls.Add(1)
				host.Go(func(ctx context.Context) {
					defer calls.Done()
					assert.Equal(t, cause, context.Cause(ctx))
					_, err := host.Listen("tcp", ":1")
					assert.ErrorIs(t, err, syscall.ENETDOWN)
				})
			}
			calls.Wait()
			host.Restart()
			calls.Add(1)
			host.Go(func(ctx context.Context) {
				defer calls.Done()
				assert.NoError(t, ctx.Err())
			})
			calls.Wait()
		})
	}
}

// At the end of the simulation goroutines have the grace period, with the network up;
// the context of one that is started during it has already ended.
func TestGoroutinesAtTheEnd(t *testing.T) {
	var log []string
	var mu sync.Mutex
	note := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		log = append(log, fmt.Sprintf(format, args...))
	}
	var sim *simtest.Sim
	simtest.Run(t, func(t *testing.T, s *simtest.Sim) {
		sim = s
		_, server := connected(t, sim)
		t.Cleanup(func() {
			sim.Host("a").Go(func(ctx context.Context) {
				note("clean-up: %v", ctx.Err())
			})
		})
		sim.Host("b").Go(func(ctx context.Context) {
			<-ctx.Done()
			time.Sleep(5 * time.Second)
			_, err := server.Write([]byte("bye"))
			note("%v: %v, write: %v", sim.Elapsed(), context.Cause(ctx), err)
			sim.Host("a").Go(func(ctx context.Context) {
				note("%v: late: %v", sim.Elapsed(), context.Cause(ctx))
			})
		})
		sim.Host("b").Go(func(ctx context.Context) {
			<-ctx.Done()
			time.Sleep(20 * time.Second)
			_, err := server.Write([]byte("bye"))
			note("%v: too late: %v", sim.Elapsed(), describe(err))
			sim.Host("c").Go(func(ctx context.Context) { note("at last: %v", context.Cause(ctx)) })
		})
	})
	assert.Equal(t, 10*time.Second, sim.Elapsed(), "the grace")
	assert.Equal(t, []string{
		"clean-up: <nil>",
		"5s: simtest: the simulation has ended, write: <nil>",
		"5s: late: simtest: the simulation has ended",
		"20s: too late: write: closed",
		"at last: simtest: the simulation has ended",
	}, log)
}

// A goroutine of Go belongs to the host, in reports too.
func TestGoroutineOfAHostIsReported(t *testing.T) {
	t.Parallel()
	output := failing(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim) {
		sim.Host("poet").Go(func(context.Context) { select {} })
	})
	if output != "" {
		assert.Contains(t, withoutIndent(output), "poet:\n1 in select (no cases): simtest_test.TestGoroutineOfAHostIsReported")
	}
}

// A panic in a goroutine of Go ends the test, and the report names the seed.
func TestPanicInAGoroutineOfAHost(t *testing.T) {
	t.Parallel()
	if os.Getenv("SIMTEST_FAILING") == t.Name() {
		simtest.Config{Seed: 7}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			sim.Host("poet").Go(func(context.Context) { panic("out of ink") })
			time.Sleep(time.Second)
		})
		return
	}
	output := runSelf(t, t.Name(), "SIMTEST_FAILING="+t.Name())
	assert.Contains(t, output, "panic: out of ink")
	assert.Contains(t, output, "SIMTEST_SEED=7")
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		assert.PanicsWithValue(t, "simtest: Host.Go needs a function to run", func() { sim.Host("a").Go(nil) })
	})
}

// The actions of a host's goroutines when its context ends have a fixed order.
func TestOrderOfGoroutinesThatEnd(t *testing.T) {
	for seed := range uint64(5) {
		simtest.CheckDeterminism(t, simtest.Config{Seed: seed, KeepPools: true}, func(t *testing.T, sim *simtest.Sim) {
			listener, err := sim.Host("ear").Listen("tcp", ":1")
			require.NoError(t, err)
			mouth := sim.Host("mouth")
			for i := range 20 {
				conn, err := mouth.Dial("tcp", "ear:1")
				require.NoError(t, err)
				accepted, err := listener.Accept()
				require.NoError(t, err)
				sim.Host("ear").Go(func(context.Context) { _, _ = io.Copy(io.Discard, accepted) })
				mouth.Go(func(ctx context.Context) {
					<-ctx.Done()
					_, _ = fmt.Fprint(conn, "the last words of ", i)
					_ = conn.Close()
				})
			}
		})
	}
	var ends []string
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		for _, name := range []string{"b", "a"} {
			sim.Host(name).Go(func(ctx context.Context) {
				<-ctx.Done()
				ends = append(ends, name)
			})
		}
	})
	assert.True(t, slices.Equal(ends, []string{"b", "a"}), "host by host: %v", ends)
}

// After the end, a function that is passed to Go can wait for its context, which has
// ended, also on a host whose goroutines have waited for theirs.
func TestGoAfterTheEnd(t *testing.T) {
	var ended *simtest.Sim
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		ended = sim
		for _, name := range []string{"a", "b"} {
			sim.Host(name).Go(func(ctx context.Context) { <-ctx.Done() })
		}
		sim.Host("b").Crash()
	})
	for name, want := range map[string]error{"a": simtest.ErrEnded, "b": simtest.ErrCrashed, "new": simtest.ErrEnded} {
		cause := make(chan error)
		ended.Host(name).Go(func(ctx context.Context) {
			<-ctx.Done()
			cause <- context.Cause(ctx)
		})
		assert.Equal(t, want, <-cause, name)
	}
}

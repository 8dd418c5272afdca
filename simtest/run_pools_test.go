package simtest_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// timers is a pool as in many libraries: yamux, fasthttp, nats.
var timers sync.Pool

// sleepPooled sleeps with a timer of the pool.
func sleepPooled(d time.Duration) {
	timer, _ := timers.Get().(*time.Timer)
	if timer == nil {
		timer = time.NewTimer(d)
	} else {
		timer.Reset(d)
	}
	<-timer.C
	timers.Put(timer)
}

// answers is a pool of channels, like the one that net/http's HTTP/2 had before
// Go 1.26.
var answers = sync.Pool{New: func() any { return make(chan error, 1) }}

// askPooled receives from another goroutine over a channel of the pool.
func askPooled(d time.Duration) error {
	answer := answers.Get().(chan error)
	defer answers.Put(answer)
	go func() {
		time.Sleep(d)
		answer <- nil
	}()
	select {
	case err := <-answer:
		return err
	case <-time.After(time.Hour):
		return os.ErrDeadlineExceeded
	}
}

// A library's pools of timers and of channels work in each of several
// simulations of a process, and between them; objects from before do not stop
// time.
func TestPoolsOfLibraries(t *testing.T) {
	for _, lib := range []struct {
		name string
		use  func(d time.Duration)
	}{
		{"timers", sleepPooled},
		{"channels", func(d time.Duration) { assert.NoError(t, askPooled(d)) }},
	} {
		t.Run(lib.name, func(t *testing.T) {
			for range 3 {
				lib.use(time.Millisecond)
				simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
					lib.use(time.Second)
					assert.Equal(t, time.Second, sim.Elapsed())
				})
			}
		})
	}
}

// Config.KeepPools does not empty pools.
func TestKeepPools(t *testing.T) {
	survives := func(config simtest.Config) bool {
		var pool sync.Pool
		for range 100 { // with -race some are dropped
			pool.Put(new(int))
		}
		config.Run(t, func(*testing.T, *simtest.Sim) {})
		return pool.Get() != nil
	}
	// With the overlay's layer time, pools keep nothing in a simulation, but keep the
	// objects that they had before it.
	assert.Equal(t, simtest.Overlay().Time, survives(simtest.Config{}))
	assert.True(t, survives(simtest.Config{KeepPools: true}))
}

// Background work that the standard library starts once can be used in one simulation,
// in the next one and outside: Go's resolver, the system's resolver, and signals. The
// test needs a process in which none of it has been started.
func TestStandardLibraryStartsOnce(t *testing.T) {
	const child = "SIMTEST_STARTS_ONCE"
	uses := map[string]func(ctx context.Context){
		"resolver": func(ctx context.Context) {
			resolver := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ENETUNREACH }}
			_, err := resolver.LookupHost(ctx, "poet.invalid")
			assert.Error(t, err)
		},
		"ports": func(ctx context.Context) {
			port, err := net.DefaultResolver.LookupPort(ctx, "tcp", "http")
			assert.NoError(t, err)
			assert.Equal(t, 80, port)
		},
		"signals": func(ctx context.Context) {
			ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
			time.Sleep(time.Millisecond)
			assert.NoError(t, ctx.Err())
			stop()
		},
	}
	if use := uses[os.Getenv(child)]; use != nil {
		for range 2 {
			simtest.Run(t, func(t *testing.T, sim *simtest.Sim) { use(t.Context()) })
			use(t.Context())
		}
		return
	}
	for name := range uses {
		t.Run(name, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStandardLibraryStartsOnce$", "-test.timeout=1m")
			command.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", child+"="+name)
			output, err := command.CombinedOutput()
			require.NoError(t, err, string(output))
		})
	}
}

// A library whose finalizers use a channel, as wireguard-go's do, runs with
// Config.KeepPools, as long as the runtime does not collect garbage: a simulation's
// channels must not be used outside of it.
func TestKeepPoolsAndFinalizers(t *testing.T) {
	const child = "SIMTEST_FINALIZERS"
	if os.Getenv(child) != "" {
		simtest.Config{KeepPools: os.Getenv(child) == "KeepPools"}.Run(t, func(t *testing.T, _ *simtest.Sim) {
			type queue struct{ packets chan []byte }
			runtime.SetFinalizer(&queue{make(chan []byte)}, func(q *queue) { close(q.packets) })
		})
		time.Sleep(100 * time.Millisecond) // for a finalizer
		return
	}
	run := func(what string) (output string, err error) {
		command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKeepPoolsAndFinalizers$", "-test.timeout=1m")
		command.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", "GOGC=off", child+"="+what)
		out, err := command.CombinedOutput()
		return string(out), err
	}
	output, err := run("KeepPools")
	assert.NoError(t, err, output)
	if simtest.Overlay().Time {
		return // there are no collections
	}
	output, err = run("collections")
	assert.Error(t, err)
	assert.Contains(t, output, "close of synctest channel from outside bubble")
}

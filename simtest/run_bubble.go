package simtest

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// bubble runs f in a testing/synctest bubble, as synctest.Test does, with some
// differences. If goroutines remain that are blocked forever, bubble returns the
// runtime's error instead of panicking with it; if the watchdog has given the bubble
// up, the error is the watchdog's. The watchdog may be nil. If f skips, t is skipped;
// with synctest.Test it would pass. And if f fails and returns, t has failed and bubble
// returns, so that the test can continue; synctest.Test would end it.
//
// If f or a clean-up ends with FailNow, so does bubble. When bubble returns an error, t
// has failed if f has; the caller must then report the blocked goroutines, and fail t.
// The blocked goroutines exist until the process ends. Nothing wakes them: their
// bubble's time stands still, and its channels and timers must not be used from
// outside. State guarded by their mutexes can still be read.
//
// A panic in f ends the process, after f's clean-ups, as it does in any test. All other
// panics of synctest.Test are propagated, such as the one for a bubble in a bubble.
func bubble(t *testing.T, w *watchdog, f func(t *testing.T)) (deadlock error) {
	t.Helper()
	skipped, failedNow := false, true
	// In a separate goroutine, which synctest.Test ends if f has failed.
	test := apart(func() {
		deadlock = catchDeadlock(func() {
			synctest.Test(t, func(t *testing.T) {
				// The first clean-up runs last, and any of them may skip.
				t.Cleanup(func() {
					skipped = t.Skipped()
					failedNow = unwinds("runtime.Goexit")
				})
				f(t)
			})
		})
	})
	if err := w.wait(t, test.done); err != nil {
		test.end() // to give it up
		return err
	}
	switch {
	case test.panic != nil:
		panic(test.panic.value)
	case deadlock != nil:
		return deadlock
	case skipped:
		t.SkipNow() // the reason has been logged already
	case test.exited && failedNow:
		t.FailNow()
	}
	return nil
}

// inBubble reports whether the calling goroutine is in a bubble.
func inBubble() bool {
	var stack [256]byte
	header, _, _ := strings.Cut(string(stack[:runtime.Stack(stack[:], false)]), "\n")
	return bubbleNumber.MatchString(header)
}

// mustBeOutside panics if the call is made in a simulation, which has no place for
// another one.
func mustBeOutside(call string) {
	if inBubble() {
		panic(fmt.Sprintf("simtest: %s was called in a simulation: call it in the test itself", call))
	}
}

// Reasons for which the watchdog gives up a bubble. The bubble exists until the process
// ends.
var (
	errStuck     = errors.New("everything is blocked forever because of a mutex")
	errAbandoned = errors.New("a clean-up does not end")
)

// catchDeadlock calls f and returns the error with which the runtime panics when all
// goroutines of a bubble are blocked forever. That error's type is not exported, but f
// is synctest.Test, which panics with no other error: the test itself runs in other
// goroutines.
func catchDeadlock(f func()) (deadlock error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case error:
			if !strings.HasPrefix(r.Error(), "deadlock: ") {
				panic(r)
			}
			deadlock = r
		default:
			panic(r)
		}
	}()
	f()
	return nil
}

// A call is a function that runs in a goroutine of its own, so that its caller can wait
// for it, or give it up when it is blocked forever.
type call struct {
	done chan struct{} // closed when the function has ended

	mu      sync.Mutex // guards the fields below
	ended   bool
	exited  bool      // by runtime.Goexit, as FailNow and SkipNow do
	panic   *panicked // that ended it, or nil
	givenUp bool      // no goroutine waits for the call
}

// apart starts f in a goroutine of its own. The caller may wait for done, and must call
// end in any case.
func apart(f func()) *call {
	c := &call{done: make(chan struct{})}
	go c.run(f)
	return c
}

// run calls f and records how it ended. If f was given up before it panicked, no caller
// would see the panic, so the panic continues in this goroutine.
func (c *call) run(f func()) {
	returned := false
	defer func() {
		var p *panicked
		if !returned {
			if value := recover(); value != nil {
				p = &panicked{value, debug.Stack()}
			}
		}
		c.mu.Lock()
		c.ended, c.exited, c.panic = true, !returned && p == nil, p
		givenUp := c.givenUp
		c.mu.Unlock()
		close(c.done)
		if givenUp && p != nil {
			panic(p)
		}
	}()
	f()
	returned = true
}

// returned reports whether the function has ended by returning, not by Goexit
// or a panic.
func (c *call) returned() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended && !c.exited && c.panic == nil
}

// panicking reports whether the function has ended by a panic. If so, call end at once:
// a panic can leave mutexes locked, and anything else may wait for these.
func (c *call) panicking() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.panic != nil
}

// end ends the calling goroutine in the way the function ended: it panics or exits if
// the function did, and returns otherwise. So FailNow or SkipNow in the function has
// its usual effect in the test's goroutine. If the function has not ended yet, end
// gives it up and returns.
func (c *call) end() {
	c.mu.Lock()
	c.givenUp = !c.ended
	exited, p := c.exited, c.panic
	c.mu.Unlock()
	switch {
	case p != nil:
		panic(p)
	case exited:
		runtime.Goexit()
	}
}

// unwinds reports whether the calling deferred function or clean-up runs because its
// goroutine is ending: by "runtime.Goexit", which FailNow and SkipNow call, or by a
// panic, "runtime.gopanic".
func unwinds(by string) bool {
	callers := make([]uintptr, 100)
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers)])
	for {
		frame, more := frames.Next()
		if frame.Function == by {
			return true
		}
		if !more {
			return false
		}
	}
}

// panics reports whether the calling deferred function was called because of a panic,
// rather than runtime.Goexit or a return. Unlike recover, it lets the panic continue
// with its stack.
func panics() bool {
	var callers [1]uintptr
	runtime.Callers(3, callers[:]) // skip Callers, panics and the deferred function
	frame, _ := runtime.CallersFrames(callers[:]).Next()
	return frame.Function == "runtime.gopanic"
}

// panicked is the panic of another goroutine. Its text includes that goroutine's stack,
// since the runtime prints the trace of the goroutine that propagates the panic.
type panicked struct {
	value any
	stack []byte
}

// Error returns the value of the panic, and its stack.
func (p *panicked) Error() string {
	return fmt.Sprintf("%v\n\n%s", p.value, p.stack)
}

// Unwrap returns the value of the panic, if it is an error.
func (p *panicked) Unwrap() error {
	err, _ := p.value.(error)
	return err
}

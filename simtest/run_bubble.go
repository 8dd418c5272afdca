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
// differences. If goroutines remain that are blocked for ever, it returns the
// runtime's complaint instead of panicking with it; if the watchdog has given the
// bubble up, it returns the watchdog's error. The watchdog may be nil. If f skips,
// t is skipped; synctest.Test would have it pass. And if f fails and returns, t
// has failed and bubble returns, so that more can be tried in the same test;
// synctest.Test would end that.
//
// If f or a clean-up ends with FailNow, so does bubble. When it returns an
// error, t has failed if f has; the caller then has to report what is blocked,
// and to fail t. The goroutines that are blocked exist until the process ends.
// Nothing wakes them: their bubble's time stands still, and its channels and
// timers may not be used from outside. What their mutexes guard may still be
// looked at.
//
// A panic in f ends the process, after f's clean-ups, as it does in any test.
// All other panics of synctest.Test are passed on, such as that for a bubble in
// a bubble.
func bubble(t *testing.T, w *watchdog, f func(t *testing.T)) (deadlock error) {
	t.Helper()
	skipped, failedNow := false, true
	// In a goroutine of its own, which synctest.Test ends if f has failed.
	test := apart(func() {
		deadlock = catchDeadlock(func() {
			synctest.Test(t, func(t *testing.T) {
				// The first clean-up is the last that is done, and any may skip.
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
		t.SkipNow() // its reason is logged already
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

// Why the watchdog has given up a bubble. The bubble exists until the process
// ends.
var (
	errStuck     = errors.New("everything waits for ever, and someone for a mutex")
	errAbandoned = errors.New("a clean-up does not end")
)

// catchDeadlock calls f and returns the error with which the runtime panics when
// all goroutines of a bubble are blocked for ever. That error's type is not
// exported, but f is synctest.Test, which panics with no other error: what the
// test itself does happens in other goroutines.
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

// A call is a function that runs in a goroutine of its own, so that its caller
// may wait for it, or give it up when it is blocked for ever.
type call struct {
	done chan struct{} // closed when the function has ended

	mu      sync.Mutex // guards what follows
	ended   bool
	exited  bool      // by runtime.Goexit, which is what FailNow and SkipNow end with
	panic   *panicked // that ended it, or nil
	givenUp bool      // nobody waits for it any more
}

// apart starts f in a goroutine of its own. The caller waits for done, or not,
// and calls end in any case.
func apart(f func()) *call {
	c := &call{done: make(chan struct{})}
	go c.run(f)
	return c
}

// run calls f and notes how it ended. When f was given up before it panicked,
// nobody would hear of it: then the panic goes on in this goroutine.
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

// panicking tells whether the function has ended by a panic. Then it is best to
// call end at once: a panic can leave mutexes locked, and all else might wait
// for those.
func (c *call) panicking() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.panic != nil
}

// end ends the calling goroutine as the function has ended: it panics if the
// function did, exits if the function did, and else returns. So a FailNow or
// SkipNow in the function does in a test's goroutine what it would have done
// there. If the function has not ended yet, end gives it up and returns.
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

// unwinds reports whether the deferred function or clean-up that calls it runs
// because its goroutine is ending: by "runtime.Goexit", which FailNow and
// SkipNow call, or by a panic, "runtime.gopanic".
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

// panics tells whether the deferred function that calls it was called because of
// a panic, not by runtime.Goexit, nor because its caller returns. Unlike recover
// it lets the panic go on, with the stack that it has.
func panics() bool {
	var callers [1]uintptr
	runtime.Callers(3, callers[:]) // behind Callers, panics and the deferred function
	frame, _ := runtime.CallersFrames(callers[:]).Next()
	return frame.Function == "runtime.gopanic"
}

// panicked is the panic of another goroutine. Its text tells where that was,
// since the trace that the runtime prints is of the goroutine that passes it on.
type panicked struct {
	value any
	stack []byte
}

// Error returns what the goroutine panicked with, and where.
func (p *panicked) Error() string {
	return fmt.Sprintf("%v\n\n%s", p.value, p.stack)
}

// Unwrap returns what the goroutine panicked with, if that is an error.
func (p *panicked) Unwrap() error {
	err, _ := p.value.(error)
	return err
}

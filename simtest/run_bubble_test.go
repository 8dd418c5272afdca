package simtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// childVariable names the test that a child process is to run.
const childVariable = "SIMTEST_CHILD"

// inChild runs body as test t in a process of its own, where it may fail, panic or
// leave goroutines behind, and then TestNextInChild. It returns the output of the
// process and its exit status. In the child itself ok is false, and the caller returns.
func inChild(t *testing.T, body func(t *testing.T)) (output string, status int, ok bool) {
	t.Helper()
	if os.Getenv(childVariable) == t.Name() {
		body(t)
		return "", 0, false
	}
	t.Parallel()
	var pattern []string
	for part := range strings.SplitSeq(t.Name(), "/") {
		pattern = append(pattern, "^"+regexp.QuoteMeta(part)+"$")
	}
	pattern[0] = "^(" + regexp.QuoteMeta(strings.Split(t.Name(), "/")[0]) + "|TestNextInChild)$"
	child := exec.Command(os.Args[0], "-test.v", "-test.timeout=1m", "-test.count=1", "-test.run="+strings.Join(pattern, "/"))
	child.Env = append(os.Environ(), childVariable+"="+t.Name(), "GORACE=atexit_sleep_ms=0")
	out, err := child.CombinedOutput()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return string(out), child.ProcessState.ExitCode(), true
}

// runApart runs f in a bubble as a simulation would: apart from the goroutine
// that looks after it, and given up after a simulated hour.
func runApart(t *testing.T, f func(t *testing.T)) {
	err := bubble(t, nil, func(t *testing.T) {
		c := apart(func() { f(t) })
		defer c.end()
		select {
		case <-c.done:
		case <-time.After(time.Hour):
			t.Error("given up")
		}
	})
	if err != nil {
		t.Errorf("bubble: %v", err)
	}
	fmt.Println("the bubble has ended")
}

// leaveMarks prints the simulated times at which the clean-ups and deferred calls of a
// test run.
func leaveMarks(t *testing.T) (deferred func()) {
	start := time.Now()
	t.Cleanup(func() {
		time.Sleep(time.Minute)
		fmt.Println("cleaned up after", time.Since(start))
	})
	return func() { fmt.Println("deferred call done") }
}

// A function has the same effects on its test in a bubble, in a separate goroutine, as
// without one.
func TestBubbleEnds(t *testing.T) {
	const ended, next = "the bubble has ended\n", "the next test runs\n"
	marks := []string{"deferred call done\n", "cleaned up after 1m0s\n"}
	forever := func() { select {} }
	for _, tc := range []struct {
		name   string
		f      func(t *testing.T)
		status int
		prints []string
		never  []string
	}{
		{"it passes", func(t *testing.T) {},
			0, []string{ended, "--- PASS: TestBubbleEnds/", next}, []string{"FAIL", "SKIP"}},
		{"it fails", func(t *testing.T) { t.Error("bad luck") },
			1, []string{"bad luck\n", ended, "--- FAIL: TestBubbleEnds/", next}, nil},
		{"it fails now", func(t *testing.T) { t.Fatal("bad luck") },
			1, []string{"bad luck\n", "--- FAIL: TestBubbleEnds/", next}, []string{ended}},
		{"it skips", func(t *testing.T) { t.Skip("not today") },
			0, []string{"not today\n", "--- SKIP: TestBubbleEnds/", next}, []string{"FAIL", ended}},
		{"its clean-up skips", func(t *testing.T) { t.Cleanup(func() { t.Skip("not today") }) },
			0, []string{"not today\n", "--- SKIP: TestBubbleEnds/", next}, []string{"FAIL", ended}},
		{"its clean-up fails", func(t *testing.T) { t.Cleanup(func() { t.Fatal("bad luck") }) },
			1, []string{"bad luck\n", "--- FAIL: TestBubbleEnds/", next}, []string{ended}},
		{"it panics", func(t *testing.T) { panicHere() },
			2, []string{"panic: boom\n", "simtest.panicHere("}, []string{ended, next}},
		{"it exits", func(t *testing.T) { runtime.Goexit() },
			2, []string{"panic: test executed panic(nil) or runtime.Goexit"}, []string{ended, next}},
		{"it leaves a blocked goroutine", func(t *testing.T) { go forever() },
			1, []string{"bubble: deadlock: main", ended, "--- FAIL: TestBubbleEnds/", next}, nil},
		{"it fails and leaves one", func(t *testing.T) { go forever(); t.Fatal("bad luck") },
			1, []string{"bad luck\n", "bubble: deadlock: main", ended, "--- FAIL: TestBubbleEnds/", next}, nil},
		{"it skips and leaves one", func(t *testing.T) { go forever(); t.Skip("not today") },
			1, []string{"not today\n", "bubble: deadlock: main", ended, "--- FAIL: TestBubbleEnds/", next}, nil},
		{"its clean-up is blocked", func(t *testing.T) { t.Cleanup(forever) },
			1, []string{"bubble: deadlock: all goroutines", ended, "--- FAIL: TestBubbleEnds/", next}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			output, status, ok := inChild(t, func(t *testing.T) {
				runApart(t, func(t *testing.T) {
					defer leaveMarks(t)()
					tc.f(t)
				})
			})
			if !ok {
				return
			}
			assert.Equal(t, tc.status, status)
			if tc.name != "its clean-up is blocked" {
				tc.prints = append(tc.prints, marks...)
			}
			for _, s := range tc.prints {
				assert.Contains(t, output, s)
			}
			for _, s := range append(tc.never, "subtest may have called", "DATA RACE", "fatal error") {
				assert.NotContains(t, output, s)
			}
		})
	}
}

func panicHere() { panic("boom") }

// A function that is blocked forever is given up; its test continues and ends.
func TestBubbleGivesUp(t *testing.T) {
	for name, block := range map[string]func(){
		"blocked": func() { select {} },
		"polling": func() {
			for {
				time.Sleep(time.Second)
			}
		},
		"on a waitgroup": func() { var wg sync.WaitGroup; wg.Add(1); wg.Wait() },
	} {
		t.Run(name, func(t *testing.T) {
			output, status, ok := inChild(t, func(t *testing.T) {
				runApart(t, func(t *testing.T) {
					leaveMarks(t)
					block()
				})
			})
			if !ok {
				return
			}
			assert.Equal(t, 1, status)
			for _, s := range []string{"given up\n", "cleaned up after 1h1m0s\n", "bubble: deadlock: main", "the bubble has ended\n", "--- FAIL: TestBubbleGivesUp/", "the next test runs\n"} {
				assert.Contains(t, output, s)
			}
		})
	}
}

// A function that was given up and continues later may end in any way while the
// clean-ups run.
func TestBubbleEndsAfterAll(t *testing.T) {
	for _, tc := range []struct {
		name   string
		f      func(t *testing.T)
		status int
		prints []string
	}{
		{"it returns", func(t *testing.T) {}, 1, []string{"given up\n", "cleaned up after", "the next test runs\n"}},
		{"it fails", func(t *testing.T) { t.Fatal("too late") }, 1, []string{"given up\n", "too late\n", "cleaned up after", "the next test runs\n"}},
		{"it panics", func(t *testing.T) { panicHere() }, 2, []string{"panic: boom", "simtest.panicHere("}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			output, status, ok := inChild(t, func(t *testing.T) {
				runApart(t, func(t *testing.T) {
					leaveMarks(t)
					time.Sleep(time.Hour + time.Second)
					tc.f(t)
				})
			})
			if !ok {
				return
			}
			assert.Equal(t, tc.status, status)
			for _, s := range tc.prints {
				assert.Contains(t, output, s)
			}
			assert.NotContains(t, output, "deadlock")
		})
	}
}

// If everything ends there is nothing to report; bubbles may follow one another.
func TestBubbleReturns(t *testing.T) {
	for range 3 {
		var elapsed time.Duration
		require.NoError(t, bubble(t, nil, func(t *testing.T) {
			start := time.Now()
			t.Cleanup(func() { elapsed = time.Since(start) })
			c := apart(func() { time.Sleep(time.Hour) })
			<-c.done
			assert.False(t, c.panicking())
			c.end()
		}))
		assert.Equal(t, time.Hour, elapsed)
	}
}

// Other panics of the runtime are not mistaken for a deadlock.
func TestBubbleInABubble(t *testing.T) {
	require.NoError(t, bubble(t, nil, func(t *testing.T) {
		assert.PanicsWithValue(t, "synctest.Run called from within a synctest bubble", func() { _ = bubble(t, nil, func(*testing.T) {}) })
	}))
}

// A simulation in a simulation panics with the call that is wrong.
func TestSimulationInASimulation(t *testing.T) {
	nothing := func(*testing.T, *Sim) {}
	Run(t, func(t *testing.T, _ *Sim) {
		for call, run := range map[string]func(){
			"Run":              func() { Run(t, nothing) },
			"CheckDeterminism": func() { CheckDeterminism(t, Config{}, nothing) },
			"Search.Run":       func() { Search{}.Run(t, nothing) },
		} {
			assert.PanicsWithValue(t, "simtest: "+call+" was called in a simulation: call it in the test itself", run)
		}
	})
}

// A propagated panic can be unwrapped to the original value.
func TestPanicIsPassedOn(t *testing.T) {
	cause := errors.New("boom")
	c := apart(func() { panic(cause) })
	<-c.done
	assert.True(t, c.panicking())
	defer func() {
		err, _ := recover().(error)
		assert.ErrorIs(t, err, cause)
		assert.ErrorContains(t, err, "boom\n\ngoroutine ")
	}()
	c.end()
}

// TestNextInChild runs after the test of inChild.
func TestNextInChild(t *testing.T) {
	if os.Getenv(childVariable) != "" {
		fmt.Println("the next test runs")
	}
}

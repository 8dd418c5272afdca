package simtest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var lineNumber = regexp.MustCompile(`:[0-9]+\)`)

// listGoroutines returns the result of formatGoroutines without line numbers, which differ
// between versions of Go.
func listGoroutines(id string) string {
	return lineNumber.ReplaceAllString(formatGoroutines(stillRunning(id)), ")")
}

// inSimulation runs f in a bubble as part of a simulation, in a separate goroutine,
// next to one of the simulation's own. Goroutines that f starts must end within an hour
// after release is closed.
func inSimulation(t *testing.T, f func(t *testing.T, id string, release <-chan struct{})) {
	require.NoError(t, bubble(t, nil, func(t *testing.T) {
		id, release := newSimulationID(), make(chan struct{})
		joinSimulation(id)
		go runUnlisted(func() { <-release })
		defer time.Sleep(time.Hour)
		defer close(release)
		c := apart(func() { f(t, id, release) })
		<-c.done
		c.end()
	}))
}

// Every goroutine is counted, with its wait reason, for the host that started its first
// ancestor, even if that ancestor has ended.
func TestStillRunning(t *testing.T) {
	inSimulation(t, func(t *testing.T, id string, release <-chan struct{}) {
		synctest.Wait()
		assert.Empty(t, listGoroutines(id))
		for _, host := range []string{"poet", "reader"} {
			goOnHost(t.Context(), id, host, func(ctx context.Context) {
				go func() {
					for range 2 {
						go func() { <-release }()
					}
				}()
				select {
				case <-ctx.Done():
				case <-release:
				}
			})
		}
		goOnHost(t.Context(), id, `odd "name"`, func(context.Context) {
			var wg sync.WaitGroup
			wg.Go(func() { <-release })
			wg.Wait()
		})
		go time.Sleep(time.Hour)
		synctest.Wait()
		const name = "simtest.TestStillRunning.func1"
		assert.Equal(t, strings.ReplaceAll(`the test itself:
   1 in sleep: time.Sleep (time.go)
odd "name":
   1 in sync.WaitGroup.Wait: NAME.2 (dump_goroutines_test.go)
   1 in chan receive: NAME.2.1 (dump_goroutines_test.go)
poet:
   2 in chan receive: NAME.1.1.1 (dump_goroutines_test.go)
   1 in select: NAME.1 (dump_goroutines_test.go)
reader:
   2 in chan receive: NAME.1.1.1 (dump_goroutines_test.go)
   1 in select: NAME.1 (dump_goroutines_test.go)
`, "NAME", name), listGoroutines(id))
	})
}

// A goroutine that has lost its label belongs to the test; a goroutine with additional
// labels belongs to its host, if they were added to the host's context.
func TestStillRunningWithoutLabels(t *testing.T) {
	inSimulation(t, func(t *testing.T, id string, release <-chan struct{}) {
		wait := func() { <-release }
		goOnHost(t.Context(), id, "poet", func(ctx context.Context) {
			time.AfterFunc(time.Second, wait)
			labels := pprof.Labels("verse", "1", "host", "{\"a\":\x00}")
			go pprof.Do(ctx, labels, func(context.Context) { wait() })
			pprof.Do(context.Background(), labels, func(context.Context) { go wait() })
		})
		time.Sleep(time.Minute)
		assert.Equal(t, `the test itself:
   2 in chan receive: simtest.TestStillRunningWithoutLabels.func1.1 (dump_goroutines_test.go)
poet:
   1 in chan receive: simtest.TestStillRunningWithoutLabels.func1.1 (dump_goroutines_test.go)
`, strings.ReplaceAll(listGoroutines(id), ", from simtest.TestStillRunningWithoutLabels.func1.1 (dump_goroutines_test.go)", ""))
	})
}

// Calls of the simulation are named, together with their callers.
func TestStillRunningInNetworkCalls(t *testing.T) {
	Run(t, func(t *testing.T, sim *Sim) {
		id := newSimulationID()
		listener, err := sim.Host("poet").Listen("tcp", ":80")
		require.NoError(t, err)
		server := &http.Server{}
		goOnHost(t.Context(), id, "poet", func(context.Context) { _ = server.Serve(listener) })
		goOnHost(t.Context(), id, "reader", func(ctx context.Context) {
			conn, err := sim.Host("reader").DialContext(ctx, "tcp", "poet:80")
			if assert.NoError(t, err) {
				_, _ = bufio.NewReader(conn).ReadString('\n')
			}
		})
		time.Sleep(time.Second)
		list := listGoroutines(id)
		assert.Contains(t, "\n"+list, `
poet:
   1 in simtest Accept: net/http.(*Server).Serve (server.go), from simtest.TestStillRunningInNetworkCalls.func1.1 (dump_goroutines_test.go)
   1 in simtest Read: net/http.(*connReader).Read (server.go)
reader:
   1 in simtest Read: bufio.(*Reader).fill (bufio.go), from simtest.TestStillRunningInNetworkCalls.func1.2 (dump_goroutines_test.go)
`, list)
		require.NoError(t, server.Close())
	})
}

// Simulations see neither each other's goroutines nor the process's.
func TestStillRunningApart(t *testing.T) {
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			inSimulation(t, func(t *testing.T, id string, release <-chan struct{}) {
				for range 300 + i {
					goOnHost(t.Context(), id, "poet", func(context.Context) { <-release })
				}
				synctest.Wait()
				for range 3 {
					all := stillRunning(id)
					require.Len(t, all, 1)
					assert.Equal(t, "poet", all[0].host)
					require.Len(t, all[0].places, 1)
					assert.Equal(t, 300+i, all[0].places[0].count)
				}
			})
		})
	}
}

// Outside of a bubble, on real time, hosts' goroutines are found by their label.
func TestStillRunningOnRealTime(t *testing.T) {
	id := newSimulationID()
	assert.NotEqual(t, id, newSimulationID())
	a, b := net.Pipe()
	done := make(chan struct{})
	goOnHost(t.Context(), id, "poet", func(context.Context) {
		_, _ = a.Read(make([]byte, 1))
		close(done)
	})
	assert.Eventually(t, func() bool {
		return listGoroutines(id) == "poet:\n   1 in select: net.(*pipe).read (pipe.go), from simtest.TestStillRunningOnRealTime.func1 (dump_goroutines_test.go)\n"
	}, time.Minute, time.Millisecond)
	require.NoError(t, b.Close())
	<-done
}

// The goroutines left in a bubble that has ended can always be listed.
func TestStillRunningAfterTheBubble(t *testing.T) {
	output, status, ok := inChild(t, func(t *testing.T) {
		var id string
		err := bubble(t, nil, func(t *testing.T) {
			id = newSimulationID()
			joinSimulation(id)
			go runUnlisted(func() { select {} })
			goOnHost(t.Context(), id, "poet", func(context.Context) { select {} })
			c := apart(func() { select {} })
			time.Sleep(time.Hour)
			c.end()
		})
		for range 2 {
			t.Errorf("%v\n%s", err, listGoroutines(id))
		}
	})
	if !ok {
		return
	}
	assert.Equal(t, 1, status)
	const list = `deadlock: main bubble goroutine has exited but blocked goroutines remain
        the test itself:
           1 in select (no cases): simtest.TestStillRunningAfterTheBubble.func1.1.3 (dump_goroutines_test.go)
        poet:
           1 in select (no cases): simtest.TestStillRunningAfterTheBubble.func1.1.2 (dump_goroutines_test.go)
`
	assert.Equal(t, 2, strings.Count(output, list), output)
}

// A very deep stack is listed as one place, once.
func TestStillRunningDeep(t *testing.T) {
	inSimulation(t, func(t *testing.T, id string, release <-chan struct{}) {
		var dig func(depth int)
		dig = func(depth int) {
			if depth > 0 {
				dig(depth - 1)
			}
			<-release
		}
		goOnHost(t.Context(), id, "poet", func(context.Context) { dig(500) })
		synctest.Wait()
		assert.Equal(t, "poet:\n   1 in chan receive: simtest.TestStillRunningDeep.func1.1 (dump_goroutines_test.go)\n", listGoroutines(id))
	})
}

// The first line of a goroutine in a dump, in the format of every version of Go.
func TestParseHeader(t *testing.T) {
	for header, want := range map[string][2]string{
		"goroutine 1 [running]:": {"running", ""},
		"goroutine 12 [chan receive (nil chan) (durable), 3 minutes, synctest bubble 5]:":         {"chan receive (nil chan)", "5"},
		"goroutine 12 [sync.Mutex.Lock, locked to thread, synctest bubble 5]:":                    {"sync.Mutex.Lock", "5"},
		`goroutine 7 gp=0xc0000 m=nil [select (durable), synctest bubble 15 labels:{"a": "b]"}]:`: {"select", "15"},
		`goroutine 7 [select labels:{"a, synctest bubble 3": "b], synctest bubble 4"}]:`:          {"select", ""},
		"": {"", ""},
	} {
		state, bubble := parseHeader(header)
		assert.Equal(t, want, [2]string{state, bubble}, header)
	}
}

// With Go 1.25 a goroutine may be called durable that is not blocked.
func TestIsDurable(t *testing.T) {
	for header, want := range map[string]bool{
		"goroutine 12 [chan receive (durable), 3 minutes, synctest bubble 5]:":     true,
		"goroutine 12 [sync.WaitGroup.Wait (durable), synctest bubble 5]:":         true,
		"goroutine 12 [chan receive, synctest bubble 5]:":                          false,
		"goroutine 12 [runnable (durable), synctest bubble 5]:":                    false,
		"goroutine 12 [running (scan) (durable), synctest bubble 5]:":              false,
		"goroutine 12 [syscall (durable), synctest bubble 5]:":                     false,
		"goroutine 12 [sync.Mutex.Lock, synctest bubble 5 labels:{a: (durable)}]:": false,
		"goroutine 12 gp=0xc00047b180 m=11 mp=0xc000415808 [running (durable)]:":   false,
	} {
		assert.Equal(t, want, isDurable(header), header)
	}
}

// Frames are abbreviated, and classified.
func TestFrames(t *testing.T) {
	for _, tc := range []struct {
		function, file, text, method string
		waiting, standard            bool
	}{
		{"net/http.(*Server).Serve", standardLibrary + "net/http/server.go:3454", "net/http.(*Server).Serve (server.go:3454)", "Serve", false, true},
		{"sync.(*Cond).Wait", standardLibrary + "sync/cond.go:1", "sync.(*Cond).Wait (cond.go:1)", "Wait", true, true},
		{"internal/poll.(*FD).Read", standardLibrary + "internal/poll/fd.go:1", "internal/poll.(*FD).Read (fd.go:1)", "Read", true, true},
		{"main.main.func1.2", "/x/main.go:3", "main.main.func1.2 (main.go:3)", "main", false, false},
		{"shop.example/internal/db.Get[...]", "/x/db.go:3", "db.Get[...] (db.go:3)", "Get", false, false},
		{"github.com/x/raft/v2.(*Node).run.gowrap1", "/x/node.go:3", "raft/v2.(*Node).run.gowrap1 (node.go:3)", "run", false, false},
		{"gopkg.in/yaml%2ev3.Parse", "/x/yaml.go:3", "yaml.v3.Parse (yaml.go:3)", "Parse", false, false},
		{ownPackage + ".(*Listener).Accept", "/x/listener.go:3", "simtest.(*Listener).Accept (listener.go:3)", "Accept", true, false},
		{ownPackage + ".TestX", "/x/x_test.go:3", "simtest.TestX (x_test.go:3)", "TestX", false, false},
		{ownPackage + "_test.TestX", "/x/x_test.go:3", "simtest_test.TestX (x_test.go:3)", "TestX", false, false},
	} {
		f := frame{function: tc.function, file: tc.file}
		assert.Equal(t, tc.text, f.String())
		assert.Equal(t, tc.method, f.method(), tc.function)
		assert.Equal(t, tc.waiting, f.waiting(), tc.function)
		assert.Equal(t, tc.standard, f.standard(), tc.function)
	}
}

// The list is short, however many goroutines there are.
func TestFormatGoroutinesIsBounded(t *testing.T) {
	var all []hostGoroutines
	for i := range 1000 {
		h := hostGoroutines{host: fmt.Sprint("host", i)}
		for range 100 {
			h.places = append(h.places, place{count: 2, where: "somewhere"})
		}
		all = append(all, h)
	}
	text := formatGoroutines(all)
	assert.Contains(t, text, "host19:\n   2 in an unknown state: somewhere\n")
	assert.Contains(t, text, "\n  and 160 more\n")
	assert.True(t, strings.HasSuffix(text, "\nand 980 more hosts\n"), text)
	assert.Equal(t, 20*(1+20+1)+1, strings.Count(text, "\n"))
}

// A goroutine whose function has returned may still be in the profile, with frames of the
// runtime alone.
func TestEndingGoroutinesAreUnlisted(t *testing.T) {
	var ending stack
	ending.add(frame{function: "runtime.goexit1", file: "proc.go:1"})
	assert.True(t, ending.unlisted())
	ending.add(frame{function: "example.com/shop.serve", file: "shop.go:1"})
	assert.False(t, ending.unlisted())
}

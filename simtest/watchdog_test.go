package simtest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// indent matches the indentation of a report by package testing, and within the report.
var indent = regexp.MustCompile("(?m)^ +")

// dialled returns both ends of a connection from host a to host b.
func dialled(t *testing.T, sim *Sim) (client, server net.Conn) {
	listener, err := sim.Host("b").Listen("tcp", ":1")
	require.NoError(t, err)
	client, err = sim.Host("a").Dial("tcp", "b:1")
	require.NoError(t, err)
	server, err = listener.Accept()
	require.NoError(t, err)
	return client, server
}

// A simulation that stands still forever because of a mutex is detected, with the
// holder. Its test ends like any test that fails.
func TestStuck(t *testing.T) {
	var mu sync.Mutex
	var rw sync.RWMutex
	for _, tc := range []struct {
		name   string
		f      func(t *testing.T, sim *Sim)
		prints []string
	}{
		{"on the network", func(t *testing.T, sim *Sim) {
			mu.Lock()
			sim.Host("a").Run(func(context.Context) error { mu.Lock(); return nil })
			_, _ = sim.Host("a").Dial("tcp", "a:1") // refused, were it not for the mutex
		}, []string{"Host a:\ndial to 10.0.0.1:1: waits for an answer\n", "\na:\n1 in sync.Mutex.Lock: simtest.TestStuck.", "\nthe test itself:\n1 in simtest Dial: simtest.TestStuck.",
			"\nThe mutex that host a waits for in simtest.TestStuck.", " may be held by the test itself, in simtest Dial:\nsimtest.TestStuck."}},
		{"on time", func(t *testing.T, sim *Sim) {
			mu.Lock()
			go func() { mu.Lock() }()
			time.Sleep(time.Second)
			mu.Lock()
		}, []string{"1 in sleep: ", "1 in sync.Mutex.Lock: simtest.TestStuck."}},
		{"on each other", func(t *testing.T, sim *Sim) {
			time.Sleep(time.Second)
			var one, other sync.Mutex
			lock := func(first, second *sync.Mutex) {
				first.Lock()
				time.Sleep(time.Second)
				second.Lock()
			}
			go lock(&one, &other)
			lock(&other, &one)
		}, []string{"2 in sync.Mutex.Lock: simtest.TestStuck.", " may be held by the test itself, in sync.Mutex.Lock:\nsimtest.TestStuck."}},
		{"reading", func(t *testing.T, sim *Sim) {
			rw.Lock()
			go rw.RLock()
			sim.Settle()
		}, []string{"1 in sync.RWMutex.RLock: ", "1 in simtest Settle: simtest.TestStuck."}},
		{"writing", func(t *testing.T, sim *Sim) {
			rw.RLock()
			sim.Every(time.Second, func() { rw.Lock() })
			time.Sleep(time.Minute)
		}, []string{"1 in sync.RWMutex.Lock: simtest.TestStuck."}},
		{"in a clean-up", func(t *testing.T, sim *Sim) {
			mu.Lock()
			go func() { mu.Lock() }()
			t.Cleanup(func() { time.Sleep(time.Second) })
		}, []string{"1 in sync.Mutex.Lock: simtest.TestStuck."}},
		{"after a panic", func(t *testing.T, sim *Sim) {
			t.Cleanup(func() { mu.Lock() })
			mu.Lock()
			panicHere()
		}, []string{" is held by a goroutine whose calls do not show it: one that has ended, ",
			"panic: boom\n", "simtest.panicHere(", "After this panic everything is blocked"}},
		{"in a trace", func(t *testing.T, sim *Sim) {
			mu.Lock()
			_, _ = sim.Host("a").Dial("tcp", "a:1")
		}, []string{"The state of the network is unknown: it is locked.\n"}},
		{"in a handshake", func(t *testing.T, sim *Sim) {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			require.NoError(t, err)
			template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
			certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
			require.NoError(t, err)
			client, server := dialled(t, sim)
			sim.Host("b").Run(func(context.Context) error {
				s := tls.Server(server, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}}})
				_, err := io.Copy(s, s)
				return err
			})
			c := tls.Client(client, &tls.Config{InsecureSkipVerify: true})
			go func() { _, _ = io.WriteString(c, "hello") }()
			_, _ = io.ReadAll(c)
		}, []string{
			"call Handshake or HandshakeContext, and only then read and write in two goroutines.\n",
			"a/tcp#1, 10.0.0.2:32768 to 10.0.0.1:1 (b): 1 in Read",
			"1 in sync.Mutex.Lock: crypto/tls.(*Conn).handshakeContext (",
			"\nb:\n1 in simtest Read: crypto/tls.",
			"\nThe mutex that the test itself waits for in crypto/tls.(*Conn).handshakeContext (", ", from simtest.TestStuck.",
			" is most likely held by the test itself, in simtest Read:\ncrypto/tls.(*atLeastReader).Read (", "...\nsimtest.TestStuck.",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			output, status, ok := inChild(t, func(t *testing.T) {
				defer SetLookEvery(20 * time.Millisecond)()
				config := Config{Seed: 77}
				if tc.name == "in a trace" {
					config.Trace = func(trace.Event) { mu.Lock() }
				}
				t.Cleanup(func() { fmt.Println("the test ends") })
				config.Run(t, tc.f)
			})
			if !ok {
				return
			}
			assert.Equal(t, 1, status)
			output = indent.ReplaceAllString(output, "")
			prints, stuck := append(tc.prints, "everything is blocked forever: a goroutine waits for a mutex"), 1
			if Overlay().Time {
				prints, stuck = stuckOverlaid[tc.name], 0
			}
			for _, s := range append(prints, "the seed was 77. To run it again:\n", "the test ends\n", "--- FAIL: TestStuck/") {
				assert.Contains(t, output, s)
			}
			assert.Equal(t, stuck, strings.Count(output, "everything is blocked forever:"))
			assert.NotContains(t, output, "DATA RACE")
		})
	}
}

// stuckOverlaid is the output of the programs of TestStuck with the overlay's layer
// time: time goes on, and the runtime detects goroutines that are blocked forever.
var stuckOverlaid = map[string][]string{
	"on the network": {"goroutines that still run 1m0s after the simulation has ended:\na:\n1 in sync.Mutex.Lock: simtest.TestStuck."},
	"on time":        {"stopped after 24h0m0s of simulated time", "1 in sync.Mutex.Lock: simtest.TestStuck."},
	"on each other":  {"stopped after 24h0m0s of simulated time", "2 in sync.Mutex.Lock: simtest.TestStuck."},
	"reading":        {"goroutines that still run 1m0s after the simulation has ended:\nthe test itself:\n1 in sync.RWMutex.RLock: "},
	"writing":        {"59 in sync.Mutex.Lock: simtest.TestStuck.", "1 in sync.RWMutex.Lock: simtest.TestStuck."},
	"in a clean-up":  {"goroutines that still run 1m0s after the simulation has ended:\nthe test itself:\n1 in sync.Mutex.Lock: simtest.TestStuck."},
	"after a panic":  {"panic: boom\n", "simtest.panicHere(", "After this panic everything is blocked forever.\n"},
	"in a trace":     {"simtest: everything is blocked forever.\nThe state of the network is unknown: it is locked.\n", "1 in simtest Dial: simtest.TestStuck."},
	"in a handshake": {"stopped after 24h0m0s of simulated time", "\nb:\n1 in simtest Read: crypto/tls.", // the handshake is done, and both wait for more
		"0s data b>a a/tcp#1 offset 1684, 27 bytes"},
}

// A goroutine that waits for a mutex is not reported if the holder could continue,
// because the holder is not blocked, or is outside of the simulation.
func TestNotStuck(t *testing.T) {
	defer SetLookEvery(5 * time.Millisecond)()
	const long = 8 * 5 * time.Millisecond // of real time: longer than it takes to find a simulation stuck
	var mu sync.Mutex
	var over atomic.Bool
	compute := func() {
		for !over.Load() {
		}
	}
	for name, tc := range map[string]struct {
		outside func(end <-chan struct{}) // run by the holder outside of the simulation
		inside  func()                    // run by a holder inside
	}{
		"computes":         {inside: compute},
		"computes outside": {outside: func(<-chan struct{}) { compute() }},
		"sleeps outside":   {outside: func(end <-chan struct{}) { time.Sleep(long); <-end }},
		"waits outside":    {outside: func(end <-chan struct{}) { <-end }},
		"reads outside": {outside: func(end <-chan struct{}) {
			r, w := net.Pipe()
			go func() { <-end; _ = w.Close() }()
			_, _ = r.Read(make([]byte, 1))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			over.Store(false)
			end := make(chan struct{})
			time.AfterFunc(long, func() { over.Store(true); close(end) })
			if tc.outside != nil {
				mu.Lock()
				go func() {
					tc.outside(end)
					mu.Unlock()
				}()
			}
			Run(t, func(t *testing.T, sim *Sim) {
				if tc.inside != nil {
					mu.Lock()
					go func() {
						tc.inside()
						mu.Unlock()
					}()
				}
				sim.Host("a").Run(func(context.Context) error {
					mu.Lock()
					defer mu.Unlock()
					return nil
				})
				time.Sleep(time.Second)
				assert.Equal(t, time.Second, sim.Elapsed())
			})
			assert.True(t, over.Load())
		})
	}
}

// The state of a bubble according to a dump.
func TestSurvey(t *testing.T) {
	const (
		root   = "goroutine 7 [synctest.Run (durable), synctest bubble 3]:\ninternal/synctest.Run(0x1)\n\t/go/src/runtime/synctest.go:218 +0x1\n"
		wait   = "goroutine 8 [synctest.Wait (durable), 2 minutes, synctest bubble 3]:\nx.f(0x1)\n\t/x.go:1 +0x1\n"
		mutex  = "goroutine 9 [sync.Mutex.Lock, synctest bubble 3]:\nx.g(0x1)\n\t/x.go:2 +0x1\n"
		main   = "goroutine 1 [chan receive, 3 minutes]:\ntesting.(*T).Run(0x1)\n\t/go/src/testing/testing.go:1 +0x1\n"
		dog    = "goroutine 2 [running]:\n" + "OWN.(*watchdog).look(0x1)\n\t/watchdog.go:1 +0x1\nOWN.(*watchdog).wait(0x1)\n\t/watchdog.go:2 +0x1\n"
		signal = "goroutine 3 [syscall]:\nos/signal.signal_recv()\n\t/go/src/runtime/sigqueue.go:1 +0x1\n"
		ended  = "goroutine 5 [select (no cases)]:\nOWN.Main.func2(0x1)\n\t/run.go:1 +0x1\n"
		other  = "goroutine 4 [sleep (durable), synctest bubble 33]:\nx.f(0x1)\n\t/x.go:1 +0x1\n"
		stuck  = root + "\n" + wait + "\n" + mutex + "\n" + main + "\n" + dog + "\n" + signal + "\n" + ended + "\n" + other
	)
	survey := func(dump string) survey { return surveyOf(strings.ReplaceAll(dump, "OWN", ownPackage), "3") }
	now := survey(stuck)
	assert.True(t, now.stuck)
	assert.Equal(t, atRest, now.outside)
	assert.Equal(t, `goroutine 7 [synctest.Run]
`+"/go/src/runtime/synctest.go:218\n"+`
goroutine 8 [synctest.Wait]
/x.go:1

goroutine 9 [sync.Mutex.Lock]
/x.go:2

`, now.places)
	for _, state := range []string{"running", "runnable", "syscall", "IO wait", "chan receive", "select", "semacquire", "GC assist wait",
		"sync.WaitGroup.Wait", "waiting", "preempted", "debug call", "chan receive (scan)", "???"} {
		dump := stuck + "\ngoroutine 12 [" + state + ", synctest bubble 3]:\nx.f(0x1)\n\t/x.go:1 +0x1\n"
		assert.False(t, survey(dump).stuck, state)
	}
	for _, state := range []string{"chan receive (durable)", "select (no cases) (durable)", "sync.Cond.Wait (durable), 5 minutes", "sync.RWMutex.Lock", "sync.RWMutex.RLock, 5 minutes", "coroutine (durable)"} {
		dump := stuck + "\ngoroutine 12 [" + state + ", synctest bubble 3]:\nx.f(0x1)\n\t/x.go:1 +0x1\n"
		assert.True(t, survey(dump).stuck, state)
	}
	for _, state := range []string{"IO wait", "IO wait, 3 minutes", "chan receive", "chan send", "select", "semacquire", "sync.WaitGroup.Wait", "syscall", "waiting", "something new"} {
		dump := stuck + "\ngoroutine 12 [" + state + ", synctest bubble 3]:\nx.f(0x1)\n\t/x.go:1 +0x1\n"
		assert.True(t, survey(dump).still, state)
		assert.False(t, survey(dump).stuck, state)
		assert.True(t, survey(strings.ReplaceAll(dump, "sync.Mutex.Lock", "sleep (durable)")).still, state)
	}
	for _, state := range []string{"running", "runnable", "GC assist wait", "GC assist marking", "preempted", "debug call", "chan receive (scan)", "stopping the world", "trace proc status", "copystack", "???"} {
		dump := stuck + "\ngoroutine 12 [" + state + ", synctest bubble 3]:\nx.f(0x1)\n\t/x.go:1 +0x1\n"
		assert.False(t, survey(dump).still, state)
	}
	assert.True(t, survey(stuck).still)
	assert.False(t, survey(strings.ReplaceAll(stuck, "sync.Mutex.Lock", "sleep (durable)")).still, "time goes on")
	assert.False(t, survey(strings.ReplaceAll(stuck, "sync.Mutex.Lock", "sleep (durable)")).stuck, "the runtime reports that")
	assert.False(t, survey(stuck+strings.Repeat(" ", maxDump)).stuck, "some may be missing")
	for state, want := range map[string]activity{"running": atWork, "runnable": atWork, "syscall": atWork, "syscall, 5 minutes": atWork, "GC assist wait": atWork,
		"IO wait": atWait, "sleep": atWait, "select, 1 minutes": atWait, "sync.Mutex.Lock": atWait, "semacquire": atWait} {
		dump := stuck + "\ngoroutine 12 [" + state + "]:\nx.f(0x1)\n\t/x.go:1 +0x1\n"
		assert.Equal(t, want, survey(dump).outside, state)
	}
}

// The stacks of all goroutines, which can be tens of megabytes, are kept only while the
// bubble stands still.
func TestLooksAreForgotten(t *testing.T) {
	Run(t, func(_ *testing.T, sim *Sim) {
		w := newWatchdog()
		w.simulation.Store(&simulation{id: sim.bubble, sim: sim})
		for range 10 {
			go func() { time.Sleep(time.Minute) }()
		}
		time.Sleep(time.Second) // the loop has nothing to do
		w.turns = sim.turns.Load()
		assert.NotEmpty(t, surveyOf(dumpAll(), sim.bubble).goroutines)
		assert.False(t, w.look(t))
		assert.Empty(t, w.last, "this goroutine runs")
		w.last = survey{places: "somewhere"}
		w.turns--
		assert.False(t, w.look(t))
		assert.Empty(t, w.last, "the loop has made progress")
	})
}

func TestOneSlowLookPostponesNothing(t *testing.T) {
	assert.Equal(t, time.Second, nextLook(time.Microsecond, time.Microsecond))
	assert.Equal(t, time.Second, nextLook(time.Second, time.Millisecond), "one slow look")
	assert.Equal(t, time.Second, nextLook(time.Millisecond, time.Second), "after a slow look")
	assert.Equal(t, time.Second, nextLook(time.Second, 0), "the first look")
	assert.Equal(t, 5*time.Second, nextLook(50*time.Millisecond, 60*time.Millisecond), "looks are expensive")
}

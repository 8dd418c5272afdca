package simtest_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// httpServer serves HTTP on port 80 of a host. A request takes as long as its
// path says.
func httpServer(t *testing.T, host *simtest.Host) (server *http.Server, serve func() error) {
	t.Helper()
	listener, err := host.Listen("tcp", ":80")
	require.NoError(t, err)
	server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, _ := time.ParseDuration(strings.Trim(r.URL.Path, "/"))
		time.Sleep(d)
		_, _ = fmt.Fprintf(w, "after %v", d)
	})}
	return server, func() error { return server.Serve(listener) }
}

// get asks host poet for something over HTTP.
func get(host *simtest.Host, path string) string {
	transport := &http.Transport{DialContext: host.DialContext}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Get("http://poet/" + path)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// A test's clean-ups can work: the network is up, and time goes on.
func TestCleanUpsHaveTheNetwork(t *testing.T) {
	var order []string
	var after *simtest.Sim
	simtest.Config{Link: netem.Link{Latency: 50 * ms}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		after = sim
		poet, reader := sim.Host("poet"), sim.Host("reader")
		server, serve := httpServer(t, poet)
		served := make(chan error, 1)
		go func() { served <- serve() }()
		t.Cleanup(func() {
			order = append(order, "server")
			assert.NoError(t, server.Shutdown(context.Background()))
			assert.Equal(t, http.ErrServerClosed, <-served)
		})
		listener, err := poet.Listen("tcp", ":1")
		require.NoError(t, err)
		t.Cleanup(func() { order = append(order, "listener"); require.NoError(t, listener.Close()) })
		conn, err := reader.Dial("tcp", "poet:1")
		require.NoError(t, err)
		peer, err := listener.Accept()
		require.NoError(t, err)
		t.Cleanup(func() {
			order = append(order, "conn")
			assert.Equal(t, context.Canceled, t.Context().Err())
			require.NoError(t, conn.Close())
			start := time.Now()
			_, err := peer.Read(make([]byte, 1))
			assert.Equal(t, io.EOF, err)
			assert.Equal(t, 50*ms, time.Since(start))
		})
		t.Cleanup(func() {
			order = append(order, "get")
			t.Cleanup(func() { order = append(order, "of a clean-up"); assert.NoError(t, peer.SetDeadline(time.Time{})) })
			assert.Equal(t, "after 1s", get(reader, "1s"))
		})
		time.Sleep(time.Second)
	})
	assert.Equal(t, []string{"get", "of a clean-up", "conn", "listener", "server"}, order)
	assert.GreaterOrEqual(t, after.Elapsed(), time.Second+150*ms+1200*ms+50*ms)
	assert.Less(t, after.Elapsed(), 3*time.Second, "there are no programs to wait for")
}

// A server that shuts down when its context ends still answers earlier
// requests, and the answers reach its client.
func TestProgramsFinishTheRequestInFlight(t *testing.T) {
	for seed := range uint64(10) {
		simtest.CheckDeterminism(t, simtest.Config{Seed: seed, Link: netem.Link{Latency: 50 * ms}}, func(t *testing.T, sim *simtest.Sim) {
			poet := sim.Host("poet")
			server, serve := httpServer(t, poet)
			poet.Run(func(ctx context.Context) error {
				go func() { _ = serve() }()
				<-ctx.Done()
				assert.Equal(t, time.Second, sim.Elapsed())
				assert.Equal(t, simtest.ErrEnded, context.Cause(ctx))
				assert.NoError(t, server.Shutdown(context.WithoutCancel(ctx)))
				assert.Equal(t, simtest.ErrEnded, context.Cause(ctx))
				return nil
			})
			for i := range 3 {
				reader := sim.Host(fmt.Sprint("reader", i))
				reader.Run(func(ctx context.Context) error {
					assert.Equal(t, "after 3s", get(reader, "3s"))
					assert.Equal(t, 3200*ms, sim.Elapsed())
					return nil
				})
			}
			time.Sleep(time.Second)
		})
	}
}

// The network closes when all programs have returned, or the grace is over.
func TestGrace(t *testing.T) {
	const returns = 2 * time.Second // when a program returns
	for name, tc := range map[string]struct {
		grace, closes time.Duration
		deaf          bool // one program waits for the network to close
	}{
		"all return":                 {closes: returns},
		"one does not":               {closes: 10 * time.Second, deaf: true},
		"a shorter grace":            {grace: time.Second, closes: time.Second},
		"a longer grace":             {grace: time.Minute, closes: time.Minute, deaf: true},
		"a longer grace, not needed": {grace: time.Minute, closes: returns},
		"none":                       {grace: -1, closes: 0},
	} {
		t.Run(name, func(t *testing.T) {
			const end = 5 * time.Second // when f returns
			var sim *simtest.Sim
			simtest.Config{Grace: tc.grace, TimeLimit: end + 1}.Run(t, func(t *testing.T, s *simtest.Sim) {
				sim = s
				client, _ := connected(t, sim)
				go func() {
					_, err := client.Read(make([]byte, 1))
					assert.ErrorIs(t, err, net.ErrClosed)
					assert.Equal(t, end+tc.closes, sim.Elapsed())
				}()
				sim.Host("a").Run(func(ctx context.Context) error {
					<-ctx.Done()
					assert.Equal(t, end, sim.Elapsed())
					time.Sleep(returns)
					return ctx.Err()
				})
				sim.Host("b").Run(func(ctx context.Context) error {
					listener, err := sim.Host("b").Listen("tcp", ":2")
					if err != nil || !tc.deaf {
						return err
					}
					_, err = listener.Accept()
					assert.ErrorIs(t, err, net.ErrClosed)
					assert.Equal(t, end+tc.closes, sim.Elapsed())
					return err
				})
				time.Sleep(end)
			})
			assert.Equal(t, end+tc.closes, sim.Elapsed())
		})
	}
}

// During the grace period nothing new begins: no program, no restart, no script.
func TestNothingBeginsInTheGrace(t *testing.T) {
	started, calls := 0, 0
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		host := sim.Host("a")
		sim.Every(time.Second, func() { calls++ })
		sim.At(4*time.Second, func() { calls += 100 })
		host.Run(func(ctx context.Context) error {
			started++
			<-ctx.Done()
			host.Run(func(context.Context) error { started += 10; return nil })
			host.Restart()
			time.Sleep(5 * time.Second)
			return nil
		})
		time.Sleep(2500 * ms)
		t.Cleanup(func() { time.Sleep(time.Second) })
	})
	assert.Equal(t, 1, started)
	assert.Equal(t, 3, calls)
}

// The contexts of programs end in a fixed order, one after another.
func TestOrderOfProgramsAtTheEnd(t *testing.T) {
	repeats(t, 30, func(t *testing.T, sim *simtest.Sim, note func(string, ...any)) {
		for _, name := range []string{"c", "a", "b"} {
			host := sim.Host(name)
			for i := range 2 {
				host.Run(func(ctx context.Context) error {
					<-ctx.Done()
					note("%s %d", name, i)
					_, err := host.Dial("tcp", "a:1")
					note("%s %d: %v", name, i, err)
					return nil
				})
			}
		}
	})
}

// Goroutines that the end of t.Context wakes have run until they block when the first
// clean-up runs.
func TestCleanUpsWaitForGoroutinesOfTheContext(t *testing.T) {
	repeats(t, 30, func(t *testing.T, sim *simtest.Sim, note func(string, ...any)) {
		client, _ := connected(t, sim)
		ctx := t.Context()
		go func() {
			<-ctx.Done()
			note("close: %v", client.Close())
		}()
		t.Cleanup(func() { note("again: %v", describe(client.Close())) })
	})
}

// However a simulation ends, its clean-ups have the network, and its programs have
// their grace period; and whatever does not end is reported.
func TestEndsThatFail(t *testing.T) {
	program := func(sim *simtest.Sim) {
		sim.Host("a").Run(func(ctx context.Context) error {
			listener, err := sim.Host("a").Listen("tcp", ":1")
			if err != nil {
				return err
			}
			<-ctx.Done()
			time.Sleep(time.Second)
			fmt.Println("the program closes:", listener.Close())
			return nil
		})
		time.Sleep(time.Second)
	}
	dials := func(t *testing.T, sim *simtest.Sim) {
		t.Cleanup(func() {
			_, err := sim.Host("b").Dial("tcp", "a:1")
			fmt.Println("the clean-up dials:", err)
		})
	}
	const ends = "the clean-up dials: <nil>\nthe program closes: <nil>\n"
	for name, tc := range map[string]struct {
		limit  time.Duration
		f      func(t *testing.T, sim *simtest.Sim)
		prints []string
		never  []string
	}{
		"FailNow": {
			f:      func(t *testing.T, sim *simtest.Sim) { program(sim); dials(t, sim); t.FailNow() },
			prints: []string{ends, "the seed was 0"}, never: []string{"goes on"},
		},
		"SkipNow": {
			f:      func(t *testing.T, sim *simtest.Sim) { program(sim); dials(t, sim); t.Fail(); t.SkipNow() },
			prints: []string{ends}, never: []string{"goes on"},
		},
		"Error in a clean-up": {
			f: func(t *testing.T, sim *simtest.Sim) {
				program(sim)
				t.Cleanup(func() { t.Error("bad luck") })
				dials(t, sim)
			},
			prints: []string{ends, "bad luck", "the seed was 0", "the seed was 1", "goes on"},
		},
		"FailNow in a clean-up": {
			f: func(t *testing.T, sim *simtest.Sim) {
				program(sim)
				dials(t, sim)
				t.Cleanup(func() { t.Fatal("bad luck") })
			},
			prints: []string{ends, "bad luck", "the seed was 0"}, never: []string{"goes on"},
		},
		"FailNow in a clean-up, after an Error": {
			f: func(t *testing.T, sim *simtest.Sim) {
				program(sim)
				dials(t, sim)
				t.Cleanup(func() { t.FailNow() })
				t.Error("bad luck")
			},
			prints: []string{ends, "bad luck", "the seed was 0"}, never: []string{"goes on"},
		},
		"panic": {
			f:      func(t *testing.T, sim *simtest.Sim) { program(sim); dials(t, sim); boom() },
			prints: []string{"the clean-up dials: <nil>\n", "panic: boom", "simtest_test.boom(", "the seed was 0"},
			never:  []string{"the program closes", "goes on"},
		},
		"panic in a clean-up": {
			f:      func(t *testing.T, sim *simtest.Sim) { program(sim); dials(t, sim); t.Cleanup(boom) },
			prints: []string{"the clean-up dials: <nil>\n", "panic: boom", "simtest_test.boom(", "the seed was 0"},
			never:  []string{"the program closes", "goes on"},
		},
		"a clean-up reads forever": {
			f: func(t *testing.T, sim *simtest.Sim) {
				program(sim)
				listener, err := sim.Host("b").Listen("tcp", ":1")
				require.NoError(t, err)
				dials(t, sim)
				t.Cleanup(func() {
					_, err := listener.Accept()
					fmt.Println("the clean-up accepts:", describe(err))
				})
			},
			prints: []string{"the clean-up accepts: accept: closed\n", "the clean-up dials: dial tcp", "stopped after 24h0m0s of simulated time: the time limit is reached.",
				"listener [::]:1: 1 in Accept", "the test itself:\n1 in simtest Accept: simtest_test.TestEndsThatFail.", "the seed was 0"},
			never: []string{"goroutines that still run", "goes on"},
		},
		"a clean-up waits forever": {
			f: func(t *testing.T, sim *simtest.Sim) { program(sim); t.Cleanup(func() { select {} }) },
			prints: []string{"stopped after 24h0m0s of simulated time: the time limit is reached.", "goroutines that still run 1m0s after that, because a clean-up does not end:",
				"the test itself:\n1 in select (no cases): simtest_test.TestEndsThatFail.", "the seed was 0"},
			never: []string{"goes on"},
		},
		"a clean-up polls forever": {
			f: func(t *testing.T, sim *simtest.Sim) {
				t.Cleanup(func() {
					for {
						time.Sleep(time.Second)
					}
				})
			},
			limit:  time.Hour,
			prints: []string{"stopped after 1h0m0s of simulated time: the time limit is reached.", "goroutines that still run 1m0s after that", "the test itself:\n1 in sleep: simtest_test.TestEndsThatFail.", "the seed was 0"},
			never:  []string{"goes on"},
		},
		"a clean-up waits forever without a limit": {
			f:      func(t *testing.T, sim *simtest.Sim) { program(sim); t.Cleanup(func() { select {} }) },
			limit:  -1,
			prints: []string{"everything is blocked forever.\n", "the test itself:\n1 in select (no cases): simtest_test.TestEndsThatFail.", "\na:\n1 in chan receive: simtest_test.TestEndsThatFail.", "the seed was 0"},
			never:  []string{"goes on", "goroutines that still run"},
		},
		"all wait forever": {
			f: func(t *testing.T, sim *simtest.Sim) {
				t.Cleanup(func() { fmt.Println("cleaned up"); select {} })
				select {}
			},
			prints: []string{"stopped after 24h0m0s", "cleaned up\n", "goroutines that still run 1m0s after that", "the test itself:\n1 in select (no cases): ", "\n1 in select (no cases): "},
			never:  []string{"goes on"},
		},
		"a program fails in a clean-up": {
			f: func(t *testing.T, sim *simtest.Sim) {
				fail := make(chan struct{})
				sim.Host("a").Run(func(context.Context) error { <-fail; return io.ErrUnexpectedEOF })
				t.Cleanup(func() { close(fail); time.Sleep(time.Nanosecond) })
			},
			prints: []string{`the program of host "a" has failed: unexpected EOF`, "the seed was 0", "the seed was 1", "goes on"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if os.Getenv("SIMTEST_FAILING") == t.Name() {
				for seed := range uint64(2) {
					simtest.Config{Seed: seed, TimeLimit: tc.limit}.Run(t, tc.f)
				}
				fmt.Println("goes on")
				return
			}
			t.Parallel()
			parent, _, _ := strings.Cut(t.Name(), "/")
			output := withoutIndent(runSelf(t, parent+"$/^"+strings.ReplaceAll(name, " ", "_"), "SIMTEST_FAILING="+t.Name()))
			for _, want := range tc.prints {
				assert.Contains(t, output, want)
			}
			for _, text := range append(tc.never, "DATA RACE", "test timed out", "fatal error") {
				assert.NotContains(t, output, text)
			}
		})
	}
}

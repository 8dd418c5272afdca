package simtest_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// failing runs a simulation that should fail, in a separate process, and returns its
// output.
func failing(t *testing.T, config simtest.Config, f func(t *testing.T, sim *simtest.Sim)) (output string) {
	t.Helper()
	if os.Getenv("SIMTEST_FAILING") == t.Name() {
		config.Run(t, f)
		return ""
	}
	output = runSelf(t, t.Name(), "SIMTEST_FAILING="+t.Name())
	assert.Contains(t, output, "--- FAIL: "+t.Name())
	assert.NotContains(t, output, "panic:")
	return output
}

// If everything is blocked forever, the report says which goroutine waits for what.
func TestDeadlockIsReported(t *testing.T) {
	output := failing(t, ideal, func(t *testing.T, sim *simtest.Sim) {
		sim.SetLink("a", "b", netem.Link{Latency: time.Second})
		client, server := connected(t, sim)
		_, err := client.Write(make([]byte, 1000))
		require.NoError(t, err)
		c := sim.Host("c")
		sim.Blackhole("c")
		go func() { // it has stopped waiting
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err := sim.Host("a").DialContext(ctx, "tcp", "c:1")
			assert.ErrorIs(t, err, context.DeadlineExceeded)
		}()
		time.Sleep(time.Minute)
		c.Run(func(context.Context) error {
			_, _ = net.Pipe()
			select {}
		})
		sim.Partition([]string{"b"})
		_, err = server.Read(make([]byte, 100))
		assert.NoError(t, err)
		_, err = client.Read(make([]byte, 100)) // the peer never writes
		assert.ErrorIs(t, err, net.ErrClosed)
	})
	if output == "" {
		return
	}
	for _, want := range []string{
		"stopped after 24h0m0s of simulated time: the time limit is reached.",
		"The last event on the network was at 1m2s.",
		"Host a:\n", "a/tcp#1, 10.0.0.2:32768 to 10.0.0.1:1 (b): 1 in Read, 1000 bytes sent that the peer has not read\n",
		"Host b:\n", "listener [::]:1: nobody in Accept, 0 connections to be accepted\n",
		"a/tcp#1, 10.0.0.1:1 to 10.0.0.2:32768 (a): nobody in Read, 900 bytes unread\n",
		"partition: nothing gets from a to b\n", "partition: nothing gets from c to b\n",
		"limit_test.go", "\nc:\n", "the seed was 0",
	} {
		assert.Contains(t, withoutIndent(output), want)
	}
	assert.NotContains(t, output, "dial to")
}

// withoutIndent removes the indentation that package testing adds to a report.
func withoutIndent(output string) string {
	var text []byte
	atStart := true
	for _, c := range []byte(output) {
		if atStart && c == ' ' {
			continue
		}
		atStart = c == '\n'
		text = append(text, c)
	}
	return string(text)
}

// A program that polls forever is stopped at its limit.
func TestTimeLimit(t *testing.T) {
	polls := 0
	output := failing(t, simtest.Config{Seed: 77, TimeLimit: time.Hour}, func(t *testing.T, sim *simtest.Sim) {
		client, _ := connected(t, sim)
		for {
			_ = client.SetReadDeadline(time.Now().Add(time.Second))
			if _, err := client.Read(make([]byte, 1)); err != nil && !os.IsTimeout(err) {
				assert.ErrorIs(t, err, net.ErrClosed)
				assert.Equal(t, time.Hour, sim.Elapsed())
				return
			}
			if polls++; polls > 3601 {
				t.Fatal("it goes on")
			}
		}
	})
	if output != "" {
		assert.Contains(t, output, "stopped after 1h0m0s of simulated time: the time limit is reached.")
		assert.Contains(t, output, "the seed was 77")
	}
}

// A program that polls forever without the network, and does not notice the end, is given up.
func TestTimeLimitOfADeafProgram(t *testing.T) {
	output := failing(t, simtest.Config{TimeLimit: time.Hour}, func(t *testing.T, sim *simtest.Sim) {
		t.Cleanup(func() { t.Log("cleaned up") })
		for {
			time.Sleep(time.Second)
		}
	})
	if output != "" {
		assert.Contains(t, output, "stopped after 1h0m0s of simulated time")
		assert.Contains(t, output, "cleaned up")
		assert.Contains(t, output, "goroutines that still run 1m0s after the simulation has ended:")
		assert.Contains(t, output, "TestTimeLimitOfADeafProgram")
	}
}

// A program that never returns is reported by host, and not by a panic of the
// runtime.
func TestLeftOversAreReported(t *testing.T) {
	output := failing(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim) {
		sim.Host("poet").Run(func(ctx context.Context) error {
			for ctx != nil {
				time.Sleep(time.Second)
			}
			return nil
		})
		sim.Host("reader").Run(func(context.Context) error {
			r, _ := io.Pipe()
			_, err := r.Read(make([]byte, 1))
			return err
		})
	})
	if output != "" {
		assert.Contains(t, output, "goroutines that still run 1m0s after the simulation has ended:")
		plain := withoutIndent(output)
		assert.Contains(t, plain, "poet:\n1 in")
		assert.Contains(t, plain, "reader:\n1 in")
		assert.Contains(t, plain, "io.(*pipe).read")
	}
}

// Without a time limit, a simulation that is blocked forever ends immediately, with the
// same report.
func TestDeadlockWithoutALimit(t *testing.T) {
	output := failing(t, simtest.Config{Seed: 77, TimeLimit: -1}, func(t *testing.T, sim *simtest.Sim) {
		client, _ := connected(t, sim)
		sim.Refuse("b:80")
		sim.Host("c").Run(func(context.Context) error { select {} })
		_, _ = client.Read(make([]byte, 1))
	})
	if output == "" {
		return
	}
	for _, want := range []string{
		"simtest: everything is blocked forever.\nThe last event on the network was at ",
		"\na/tcp#1, 10.0.0.2:32768 to 10.0.0.1:1 (b): 1 in Read\n", "\nb:80 is refused\n",
		"\nthe test itself:\n1 in simtest Read: simtest_test.TestDeadlockWithoutALimit", "\nc:\n1 in select (no cases): ", "the seed was 77",
	} {
		assert.Contains(t, withoutIndent(output), want)
	}
	assert.NotContains(t, output, "after the simulation has ended")
}

// A panic also says how to run the test again, although it ends the process, wherever
// it occurs, and has its usual stack.
func TestPanicReportsTheSeed(t *testing.T) {
	for name, f := range map[string]func(t *testing.T, sim *simtest.Sim){
		"test": func(t *testing.T, sim *simtest.Sim) { boom() },
		"program": func(t *testing.T, sim *simtest.Sim) {
			sim.Host("a").Run(func(context.Context) error { boom(); return nil })
		},
		"At":    func(t *testing.T, sim *simtest.Sim) { sim.At(time.Second, boom); time.Sleep(time.Minute) },
		"Every": func(t *testing.T, sim *simtest.Sim) { sim.Every(time.Second, boom); time.Sleep(time.Minute) },
		"Trace": func(t *testing.T, sim *simtest.Sim) { sim.Host("a").Crash() },
		"given up": func(t *testing.T, sim *simtest.Sim) {
			t.Cleanup(func() { time.Sleep(time.Hour) })
			time.Sleep(24*time.Hour + 2*time.Minute)
			boom()
		},
	} {
		t.Run(name, func(t *testing.T) {
			if os.Getenv("SIMTEST_FAILING") == t.Name() {
				config := simtest.Config{Seed: 77}
				if name == "Trace" {
					config.Trace = func(trace.Event) { boom() }
				}
				config.Run(t, f)
				return
			}
			parent, _, _ := strings.Cut(t.Name(), "/")
			output := runSelf(t, parent+"$/^"+strings.ReplaceAll(name, " ", "_"), "SIMTEST_FAILING="+t.Name())
			assert.Contains(t, output, "panic: boom")
			assert.Contains(t, output, "simtest_test.boom(")
			assert.Contains(t, output, "the seed was 77. To run it again:\nSIMTEST_SEED=77 "+simtest.GoTestCommand())
			assert.Equal(t, 1, strings.Count(output, "the seed was"))
		})
	}
}

func boom() { panic("boom") }

// A goroutine that exits, or recovers from its panic, prints nothing.
func TestNothingIsReportedWithoutAPanic(t *testing.T) {
	output := failing(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim) {
		sim.Host("a").Run(func(context.Context) error { runtime.Goexit(); return nil })
		sim.Host("a").Run(func(context.Context) error {
			defer runtime.Goexit()
			boom()
			return nil
		})
		sim.At(0, func() {
			defer func() { assert.Equal(t, "boom", recover()) }()
			boom()
		})
		time.Sleep(time.Second)
		t.Log("goes on")
		t.FailNow()
	})
	if output != "" {
		assert.Contains(t, output, "goes on\n")
		assert.Equal(t, 1, strings.Count(output, "the seed was"), "for the failure")
	}
}

// Exactly the simulations that fail are reported, regardless of earlier failures.
func TestEachFailingSeedIsReported(t *testing.T) {
	if os.Getenv("SIMTEST_FAILING") == t.Name() {
		t.Error("something else, before")
		for seed := range uint64(4) {
			simtest.Config{Seed: seed}.Run(t, func(t *testing.T, sim *simtest.Sim) {
				if seed%2 == 1 {
					t.Errorf("seed %d has failed", seed)
				}
			})
		}
		same := func(*testing.T, *simtest.Sim) {}
		runs := 0
		other := func(_ *testing.T, sim *simtest.Sim) {
			sim.Host("a").Restart()
			if runs++; runs%2 == 0 {
				sim.Heal()
			}
		}
		for seed := range uint64(4) {
			simtest.CheckDeterminism(t, simtest.Config{Seed: 10 + seed}, map[bool]func(*testing.T, *simtest.Sim){false: same, true: other}[seed > 1])
		}
		simtest.Config{Seed: 20}.Run(t, func(t *testing.T, sim *simtest.Sim) { t.FailNow() })
		t.Log("goes on")
		return
	}
	output := runSelf(t, t.Name(), "SIMTEST_FAILING="+t.Name())
	var seeds []string
	for _, match := range regexp.MustCompile(`the seed was (\d+)\. To run it again:\n +(?:SIMTEST_SEED=|\$env:SIMTEST_SEED=)(\d+)`).FindAllStringSubmatch(output, -1) {
		assert.Equal(t, match[1], match[2])
		seeds = append(seeds, match[1])
	}
	assert.Equal(t, []string{"1", "3", "12", "13", "20"}, seeds, output)
	assert.Equal(t, 2, strings.Count(output, "two runs with one seed differ"))
	assert.NotContains(t, output, "goes on")
}

// Missing functions are reported at once.
func TestNothingToCall(t *testing.T) {
	assert.PanicsWithValue(t, "simtest: Run needs a function to run", func() { simtest.Run(t, nil) })
	assert.PanicsWithValue(t, "simtest: Run needs a function to run", func() { simtest.CheckDeterminism(t, simtest.Config{}, nil) })
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		assert.PanicsWithValue(t, "simtest: At needs a function to call", func() { sim.At(0, nil) })
		assert.PanicsWithValue(t, "simtest: Every needs a function to call", func() { sim.Every(1, nil) })
		assert.PanicsWithValue(t, "simtest: Every needs a positive duration, such as time.Second", func() { sim.Every(-1, func() {}) })
		assert.PanicsWithValue(t, "simtest: Host.Run needs a program to run", func() { sim.Host("a").Run(nil) })
	})
}

// A report is the same in each run.
func TestReportIsSorted(t *testing.T) {
	output := failing(t, simtest.Config{TimeLimit: time.Second}, func(t *testing.T, sim *simtest.Sim) {
		for _, host := range []string{"c", "a", "b"} {
			for port := range 3 {
				sim.Host(host)
				sim.Refuse(fmt.Sprint(host, ":", 12-5*port))
			}
		}
		sim.Blackhole("b")
		time.Sleep(time.Minute)
	})
	if output != "" {
		assert.Contains(t, withoutIndent(output), `
a:2 is refused
a:7 is refused
a:12 is refused
b is a black hole
b:2 is refused
b:7 is refused
b:12 is refused
c:2 is refused
c:7 is refused
c:12 is refused
`)
	}
}

// The error of a program fails the test, unless it is the error of the program's ended
// context.
func TestProgramThatFails(t *testing.T) {
	output := failing(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim) {
		sim.Host("poet").Run(func(context.Context) error { return io.ErrUnexpectedEOF })
		sim.Host("reader").Run(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	})
	if output != "" {
		assert.Contains(t, output, `the program of host "poet" has failed: unexpected EOF`)
		assert.NotContains(t, output, "reader")
	}
}

// Two ends that answer each other without delay stop time, which is detected, too.
func TestTimeStandsStill(t *testing.T) {
	defer simtest.SetMaxAtOnce(100_000)()
	output := failing(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		go func() { _, _ = io.Copy(server, server) }()
		write1(t, client, 'x')
		_, _ = io.Copy(client, client)
	})
	if output != "" {
		assert.Contains(t, output, "100000 events have happened at this instant, and time does not advance")
	}
}

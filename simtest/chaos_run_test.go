package simtest

import (
	"context"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// When the quiet period begins, nothing is left of any fault, and all programs run.
func TestNoFaultRemainsWhenTheQuietBegins(t *testing.T) {
	link := netem.Link{Latency: 5 * time.Millisecond}
	for seed := range uint64(tier.Count(25, 300)) {
		var running [4]atomic.Bool
		config := Config{Seed: seed, Link: link, Chaos: Chaos{Every: 2 * time.Second, AtOnce: 5}}
		carriedOut(t, config, func(t *testing.T, sim *Sim) {
			names := []string{"a", "b", "c", "d"}
			for i, name := range names {
				host, next := sim.Host(name), names[(i+1)%len(names)]
				host.Run(func(ctx context.Context) error {
					running[i].Store(true)
					defer running[i].Store(false)
					return chatter(ctx, host, next)
				})
			}
			<-sim.Quiet()
			require.Equal(t, time.Minute, sim.Elapsed())
			require.Empty(t, leftOver(sim, link), "seed %d", seed)
			for i, name := range names {
				require.True(t, running[i].Load(), "seed %d: %s", seed, name)
			}
		})
	}
}

// chatter sends bytes to the next host and receives from others, until the context
// ends.
func chatter(ctx context.Context, host *Host, next string) error {
	listener, err := host.Listen("tcp", ":1")
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
	host.Go(func(context.Context) {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, conn); _ = conn.Close() }()
		}
	})
	var conn net.Conn
	for ctx.Err() == nil {
		if conn == nil {
			dial, cancel := context.WithTimeout(ctx, time.Second)
			conn, _ = host.DialContext(dial, "tcp", next+":1")
			cancel()
		}
		if conn != nil {
			_ = conn.SetDeadline(time.Now().Add(time.Second))
			if _, err := conn.Write(make([]byte, 3000)); err != nil {
				_ = conn.Close()
				conn = nil
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(700 * time.Millisecond):
		}
	}
	if conn != nil {
		_ = conn.Close()
	}
	return nil
}

// A given schedule repeats a run, including everything that hosts sent.
func TestGivenScheduleRepeatsARunWithTraffic(t *testing.T) {
	for seed := range uint64(tier.Count(6, 100)) {
		config := Config{
			Seed:  seed,
			Link:  netem.Link{Latency: 5 * time.Millisecond, Loss: netem.Loss{Random: 0.02}},
			Chaos: Chaos{Every: time.Second},
		}
		f := func(t *testing.T, sim *Sim) {
			for _, name := range []string{"a", "b", "c"} {
				sim.Host(name) // before another host dials it
			}
			for _, names := range [][2]string{{"a", "b"}, {"b", "c"}, {"c", "a"}} {
				host := sim.Host(names[0])
				host.Run(func(ctx context.Context) error { return chatter(ctx, host, names[1]) })
			}
			sim.Every(500*time.Millisecond, func() { sim.Reset("a", "b") })
			<-sim.Quiet()
		}
		drawn, digest := carriedOut(t, config, f)
		config.chaos = &chaosRun{given: drawn.schedule, quiet: drawn.quiet}
		given, again := carriedOut(t, config, f)
		require.Equal(t, drawn, given, "seed %d", seed)
		require.Equal(t, digest, again, "seed %d", seed)
	}
}

// Without Chaos, Quiet is closed from the start.
func TestQuietWithoutChaos(t *testing.T) {
	Run(t, func(t *testing.T, sim *Sim) {
		<-sim.Quiet()
		assert.Zero(t, sim.Elapsed())
		assert.Empty(t, sim.chaos.lines())
	})
}

// The quiet period begins when Duration and the last fault of a given schedule are
// over, and restarted programs have run until they block.
func TestWhenTheQuietBegins(t *testing.T) {
	for want, chaos := range map[time.Duration]Chaos{
		time.Minute:             {AtOnce: 1},
		20 * time.Second:        {Duration: 20 * time.Second},
		100 * time.Second:       {Schedule: "fault 90s crash a for 10s\nfault 95s crash a for 1s"},
		61 * time.Second:        {Schedule: "fault 61s restart a"},
		time.Minute + 1:         {Schedule: "fault 1s crash a for 1s", Duration: time.Minute + 1},
		1500 * time.Millisecond: {Schedule: "fault 1s crash a for 500ms", Duration: 1},
	} {
		carriedOut(t, Config{Chaos: chaos}, func(t *testing.T, sim *Sim) {
			ran := time.Duration(0)
			sim.Host("a").Run(func(ctx context.Context) error {
				ran = sim.Elapsed()
				<-ctx.Done()
				return nil
			})
			<-sim.Quiet()
			assert.Equal(t, want, sim.Elapsed())
			if strings.Contains(chaos.Schedule, "9") || strings.Contains(chaos.Schedule, "restart") {
				assert.Equal(t, want, ran)
			}
		})
	}
}

// Waiting for Quiet ends when the simulation ends.
func TestQuietAtTheEnd(t *testing.T) {
	waited := false
	out, _ := carriedOut(t, Config{Chaos: Chaos{Mix: ChaosMix{Skew: 1}}}, func(t *testing.T, sim *Sim) {
		sim.Host("a").Run(func(ctx context.Context) error {
			<-ctx.Done()
			assert.ErrorIs(t, context.Cause(ctx), ErrEnded)
			<-sim.Quiet()
			waited = true
			return nil
		})
		time.Sleep(5 * time.Second)
	})
	assert.True(t, waited)
	for _, f := range out.schedule {
		assert.LessOrEqual(t, f.at, 5*time.Second, "none begins in the grace period")
	}
}

// Faults that have begun also end in the grace period, so that programs can finish.
func TestFaultsEndInTheGrace(t *testing.T) {
	carriedOut(t, Config{Chaos: Chaos{Schedule: "fault 1s partition a | b for 6s\nfault 6s crash b for 1s\nfault 4s crash c for 2s"}}, func(t *testing.T, sim *Sim) {
		sim.Host("a").Run(func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(3 * time.Second)
			sim.Settle()
			assert.Equal(t, 8*time.Second, sim.Elapsed())
			assert.Empty(t, cutPairs(sim))
			sim.mu.Lock()
			defer sim.mu.Unlock()
			assert.Equal(t, "b c", sim.hosts["b"].title()+" "+sim.hosts["c"].title(), "nor does one begin")
			return nil
		})
		sim.Host("b")
		sim.Host("c")
		time.Sleep(5 * time.Second)
	})
}

// A fault of a host that is created later does not happen, and is not listed as carried
// out.
func TestFaultOfAHostCreatedLater(t *testing.T) {
	early, _ := parseSchedule("fault 1s partition a | late for 5s\nfault 1s kill late for 1h")
	rest, _ := parseSchedule("fault 2s kill a for 1s\nfault 3s kill late for 1s")
	config := Config{chaos: &chaosRun{given: append(early, rest...)}}
	out, _ := carriedOut(t, config, func(t *testing.T, sim *Sim) {
		sim.Host("a")
		sim.At(2*time.Second, func() { sim.Host("late") })
		time.Sleep(10 * time.Second)
		assert.Empty(t, cutPairs(sim))
	})
	assert.Equal(t, rest, out.schedule)
	assert.Equal(t, early, out.skipped)
	assert.Equal(t, `  # a host did not exist yet: fault 1s partition a | late for 5s
  # a host did not exist yet: fault 1s kill late for 1h0m0s
`, out.skippedText())
}

// A fault affects hosts that are created at its instant.
func TestFaultOfAHostCreatedAtItsInstant(t *testing.T) {
	out, _ := carriedOut(t, Config{Seed: 3, Chaos: Chaos{Schedule: "fault 2s kill late for 1s"}}, func(t *testing.T, sim *Sim) {
		sim.At(2*time.Second, func() { sim.Host("late") })
		time.Sleep(3 * time.Second)
	})
	assert.Len(t, out.schedule, 1)
}

// Faults do not change draws of the network: if none of them matters, the run is the
// same as without them.
func TestChaosLeavesTheNetworksDrawsAlone(t *testing.T) {
	link := netem.Link{Latency: 5 * time.Millisecond, Jitter: netem.Jitter{Deviation: time.Millisecond}, Loss: netem.Loss{Random: 0.1}}
	for seed := range uint64(tier.Count(2, 30)) {
		events := func(chaos Chaos) (events []string) {
			config := Config{Seed: seed, Link: link, Chaos: chaos, Trace: func(e trace.Event) {
				if e.Kind != trace.Fault && e.Kind != trace.HostEvent {
					events = append(events, e.String())
				}
			}}
			carriedOut(t, config, func(t *testing.T, sim *Sim) {
				for _, name := range []string{"idle", "other", "a", "b", "c"} { // before another host dials it
					sim.Host(name)
				}
				for _, names := range [][2]string{{"a", "b"}, {"b", "c"}, {"c", "a"}} {
					host := sim.Host(names[0])
					host.Run(func(ctx context.Context) error { return chatter(ctx, host, names[1]) })
				}
				time.Sleep(70 * time.Second)
			})
			return events
		}
		without := events(Chaos{})
		require.Greater(t, len(without), 300)
		require.Equal(t, without, events(Chaos{Hosts: []string{"idle", "other"}, Every: time.Second}), "seed %d", seed)
	}
}

// After the end, Quiet can be waited for outside of the simulation.
func TestQuietAfterTheEnd(t *testing.T) {
	var ended *Sim
	Config{Chaos: Chaos{Duration: time.Second}}.Run(t, func(t *testing.T, sim *Sim) {
		ended = sim
		sim.Host("a")
		<-sim.Quiet()
	})
	<-ended.Quiet()
}

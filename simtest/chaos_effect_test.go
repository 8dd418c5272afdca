package simtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// givenFaults runs a simulation of three hosts with a schedule, and records its state
// every half second, until the schedule is over.
func givenFaults(t *testing.T, schedule string, prepare func(t *testing.T, sim *Sim), state func(sim *Sim) string) (states []string) {
	t.Helper()
	config := Config{Chaos: Chaos{Schedule: schedule, Duration: time.Second}}
	carriedOut(t, config, func(t *testing.T, sim *Sim) {
		for _, name := range []string{"a", "b", "c"} {
			sim.Host(name)
		}
		prepare(t, sim)
		over := false
		for !over {
			time.Sleep(500 * time.Millisecond)
			sim.Settle()
			select {
			case <-sim.Quiet():
				over = true
			default:
			}
			if now := state(sim); len(states) == 0 || !strings.HasSuffix(states[len(states)-1], "s "+now) {
				states = append(states, fmt.Sprintf("%v %s", sim.Elapsed(), now))
			}
		}
	})
	return states
}

func nothing(*testing.T, *Sim) {}

// cutPairs lists the pairs of hosts that cannot reach each other.
func cutPairs(sim *Sim) string {
	sim.mu.Lock()
	defer sim.mu.Unlock()
	var pairs []string
	for _, from := range sim.ordered {
		for _, to := range sim.ordered {
			cut := sim.isCutLocked(from.name, to.name)
			if cut != sim.routeLocked(from.name, to.name).blocked {
				return "routes are not as they should be"
			}
			if cut {
				pairs = append(pairs, from.name+to.name)
			}
		}
	}
	return strings.Join(pairs, " ")
}

// A route that several partitions cut is cut until the last of them ends.
func TestChaosOfPartitionsThatOverlap(t *testing.T) {
	assert.Equal(t, []string{
		"500ms ", "1s ab ba", "2s ab ac ba ca", "3s ab ac ba bc ca", "4s ab ba bc", "5s bc", "6s ",
	}, givenFaults(t, `
		fault 1s partition a | b for 4s
		fault 2s partition a | b,c for 2s
		fault 3s partition b > c for 3s
	`, nothing, cutPairs))
}

// Partitions of the test and of a Chaos are healed separately.
func TestChaosAndPartitionsOfTheTest(t *testing.T) {
	assert.Equal(t, []string{
		"500ms ac ca", "1s ab ac ba ca", "2s ab ba", "3s ab ac ba bc ca cb", "4s ac bc ca cb",
	}, givenFaults(t, `fault 1s partition a | b for 3s`, func(t *testing.T, sim *Sim) {
		sim.Partition([]string{"a"}, []string{"c"})
		sim.At(2*time.Second, func() { sim.Heal() })
		sim.At(3*time.Second, func() { sim.Partition([]string{"c"}) })
	}, cutPairs))
}

// hostStates describes the states of hosts, and the number of times that their programs
// have run.
func hostStates(runs *[2]atomic.Int32) func(sim *Sim) string {
	return func(sim *Sim) string {
		sim.mu.Lock()
		defer sim.mu.Unlock()
		var words []string
		for i, h := range sim.ordered[:2] {
			words = append(words, fmt.Sprintf("%s ran %d times", h.title(), runs[i].Load()))
		}
		return strings.Join(words, ", ")
	}
}

// counted runs a program on the hosts, and counts its runs.
func counted(runs *[2]atomic.Int32) func(t *testing.T, sim *Sim) {
	return func(t *testing.T, sim *Sim) {
		for i, name := range []string{"a", "b"} {
			sim.Host(name).Run(func(ctx context.Context) error {
				runs[i].Add(1)
				<-ctx.Done()
				return nil
			})
		}
	}
}

// A host that several faults have taken down is restarted, with its programs, when the
// last fault is over.
func TestChaosOfHostsThatAreDown(t *testing.T) {
	runs := new([2]atomic.Int32)
	assert.Equal(t, []string{
		"500ms a ran 1 times, b ran 1 times",
		"1s a (killed) ran 1 times, b (crashed) ran 1 times",
		"2s a (crashed) ran 1 times, b (crashed) ran 1 times",
		"3s a (crashed) ran 1 times, b ran 2 times",
		"5s a ran 2 times, b ran 2 times",
		"6s a ran 2 times, b ran 3 times",
	}, givenFaults(t, `
		fault 1s kill a for 4s
		fault 1s crash b for 2s
		fault 2s crash a for 1s
		fault 2s kill b for 500ms
		fault 4s restart a
		fault 6s restart b
	`, counted(runs), hostStates(runs)))
}

// A fault that ends at the instant at which another begins ends first.
func TestChaosOfFaultsThatFollowEachOther(t *testing.T) {
	runs := new([2]atomic.Int32)
	assert.Equal(t, []string{
		"500ms a ran 1 times, b ran 1 times",
		"1s a (crashed) ran 1 times, b ran 1 times",
		"2s a (killed) ran 1 times, b ran 1 times",
		"3s a ran 2 times, b ran 1 times",
	}, givenFaults(t, `
		fault 1s crash a for 1s
		fault 2s kill a for 1s
	`, counted(runs), hostStates(runs)))
}

// A host that the test restarts stays up. A host that the test has crashed is not
// restarted by a Chaos.
func TestChaosAndCrashesOfTheTest(t *testing.T) {
	runs := new([2]atomic.Int32)
	assert.Equal(t, []string{
		"500ms a ran 1 times, b (crashed) ran 1 times",
		"1s a (killed) ran 1 times, b (crashed) ran 1 times",
		"2s a ran 2 times, b (crashed) ran 1 times",
		"3s a (crashed) ran 2 times, b (crashed) ran 1 times",
	}, givenFaults(t, `
		fault 1s kill a for 3s
		fault 1s crash b for 3s
	`, func(t *testing.T, sim *Sim) {
		counted(runs)(t, sim)
		sim.Settle()
		sim.Host("b").Crash()
		sim.At(2*time.Second, sim.Host("a").Restart)
		sim.At(3*time.Second, sim.Host("a").Crash)
	}, hostStates(runs)))
}

// A host is paused until the last pause ends or the host crashes. A Chaos does not resume
// a host that the test has paused.
func TestChaosOfPauses(t *testing.T) {
	runs := new([2]atomic.Int32)
	assert.Equal(t, []string{
		"500ms a ran 0 times, b (paused, 0 deliveries wait) ran 0 times",
		"1s a (paused, 0 deliveries wait) ran 0 times, b (paused, 0 deliveries wait) ran 0 times",
		"4s a ran 0 times, b (paused, 0 deliveries wait) ran 0 times",
		"5s a (paused, 0 deliveries wait) ran 0 times, b (paused, 0 deliveries wait) ran 0 times",
		"6s a (crashed) ran 0 times, b (paused, 0 deliveries wait) ran 0 times",
		"7s a ran 0 times, b (paused, 0 deliveries wait) ran 0 times",
		"8s a (paused, 0 deliveries wait) ran 0 times, b (paused, 0 deliveries wait) ran 0 times",
		"9s a ran 0 times, b (paused, 0 deliveries wait) ran 0 times",
	}, givenFaults(t, `
		fault 1s pause a,b for 2s
		fault 2s pause a for 2s
		fault 5s pause a for 10s
		fault 6s crash a for 1s
		fault 8s pause a for 1s
	`, func(t *testing.T, sim *Sim) {
		sim.Host("b").Pause()
		sim.At(9*time.Second, sim.Host("a").Resume)
	}, hostStates(runs)))
}

// The latency and loss of faults are added to the link's own, even if the link is
// changed during a fault, and are removed one by one.
func TestChaosOfLinks(t *testing.T) {
	const ms = time.Millisecond
	assert.Equal(t, []string{
		"500ms 10ms 0, 10ms 0",
		"1s 60ms 0, 60ms 0",
		"2s 60ms 0.5, 60ms 0",
		"3s 71ms 0.6, 60ms 0",
		"4s 71ms 0.6, 50ms 0",
		"5s 21ms 0.68, 0s 0",
		"6s 21ms 0.36, 0s 0",
		"8s 1ms 0.2, 0s 0",
	}, givenFaults(t, `
		fault 1s slow a | b by 50ms for 4s
		fault 2s lossy a > b by 50% for 4s
		fault 5s lossy a > b by 20% for 3s
		fault 5s slow a > b by 20ms for 3s
	`, func(t *testing.T, sim *Sim) {
		sim.SetDefaultLink(netem.Link{Latency: 10 * ms})
		sim.At(3*time.Second, func() { sim.SetLink("a", "b", netem.Link{Latency: 21 * ms, Loss: netem.Loss{Random: 0.2}}) })
		sim.At(4*time.Second, func() { sim.SetDefaultLink(netem.Link{}) })
		sim.At(5*time.Second, func() { sim.SetLink("a", "b", netem.Link{Latency: 1 * ms, Loss: netem.Loss{Random: 0.2}}) })
	}, func(sim *Sim) string {
		sim.mu.Lock()
		defer sim.mu.Unlock()
		there, back := sim.routeLocked("a", "b"), sim.routeLocked("b", "a")
		return fmt.Sprintf("%v %.3g, %v %v", there.link.Latency, there.link.Loss.Random, back.link.Latency, back.link.Loss.Random)
	}))
}

// Loss is added to each loss model.
func TestChaosOfLosses(t *testing.T) {
	for _, test := range []struct{ before, after netem.Loss }{
		{netem.Loss{}, netem.Loss{Random: 0.5}},
		{netem.Loss{Random: 0.5}, netem.Loss{Random: 0.75}},
		{netem.Loss{Random: 1}, netem.Loss{Random: 1}},
		{netem.Loss{GilbertElliott: netem.GilbertElliott{P: 0.1, R: 0.2, LossBad: 1}}, netem.Loss{GilbertElliott: netem.GilbertElliott{P: 0.1, R: 0.2, LossBad: 1, LossGood: 0.5}}},
		{netem.Loss{Markov: netem.Markov{P13: 0.1}}, netem.Loss{Random: 0.5}},
	} {
		assert.Equal(t, test.after, moreLoss(test.before, 0.5))
		assert.Equal(t, test.before, moreLoss(test.before, 0))
		assert.NoError(t, netem.Link{Loss: moreLoss(test.before, 0.5)}.Validate())
	}
}

// Held packets arrive in order when the last hold ends, including the test's own.
func TestChaosOfHolds(t *testing.T) {
	for name, test := range map[string]struct {
		schedule string
		script   func(sim *Sim)
		arrives  time.Duration
	}{
		"both ways":                 {"fault 1s hold a | b for 3s", nil, 4 * time.Second},
		"one way":                   {"fault 1s hold a > b for 3s", nil, 4 * time.Second},
		"the other way":             {"fault 1s hold b > a for 3s", nil, 2 * time.Second},
		"two":                       {"fault 1s hold a | b for 3s\nfault 1500ms hold a | b,c for 4s", nil, 5500 * time.Millisecond},
		"the test's hold is longer": {"fault 1s hold a | b for 3s", func(sim *Sim) { sim.Hold("a", "b"); sim.At(6*time.Second, func() { sim.Release("a", "b") }) }, 6 * time.Second},
		"the test's hold is over":   {"fault 1s hold a | b for 3s", func(sim *Sim) { sim.Hold("a", "b"); sim.At(3*time.Second, func() { sim.Release("a", "b") }) }, 4 * time.Second},
	} {
		var arrived time.Duration
		config := Config{Chaos: Chaos{Schedule: test.schedule}, TCP: netem.TCP{Congestion: netem.Unlimited}}
		carriedOut(t, config, func(t *testing.T, sim *Sim) {
			sim.Host("c")
			client, server := dialled(t, sim)
			time.Sleep(500 * time.Millisecond)
			if test.script != nil {
				test.script(sim)
			}
			time.Sleep(1500 * time.Millisecond)
			_, err := client.Write([]byte("one"))
			require.NoError(t, err)
			sim.At(3*time.Second, func() { _, _ = client.Write([]byte("two")) })
			data := make([]byte, 6)
			_, err = io.ReadFull(server, data[:3])
			require.NoError(t, err)
			arrived = sim.Elapsed()
			_, err = io.ReadFull(server, data[3:])
			require.NoError(t, err)
			assert.Equal(t, "onetwo", string(data))
		})
		assert.Equal(t, test.arrives, arrived, name)
	}
}

// A reset breaks the connections between the hosts, and no others, at its instant.
func TestChaosOfResets(t *testing.T) {
	carriedOut(t, Config{Chaos: Chaos{Schedule: "fault 1s reset a,c | b"}}, func(t *testing.T, sim *Sim) {
		sim.Host("c")
		client, server := dialled(t, sim)
		listener, err := sim.Host("a").Listen("tcp", ":1")
		require.NoError(t, err)
		other, err := sim.Host("c").Dial("tcp", "a:1")
		require.NoError(t, err)
		third, err := listener.Accept()
		require.NoError(t, err)
		_, err = client.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ECONNRESET)
		assert.Equal(t, time.Second, sim.Elapsed())
		_, err = server.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ECONNRESET)
		_, err = other.Write([]byte("x"))
		require.NoError(t, err)
		_, err = third.Read(make([]byte, 1))
		assert.NoError(t, err)
	})
}

// Skews add up, including the test's own.
func TestChaosOfClocks(t *testing.T) {
	assert.Equal(t, []string{"500ms 0s", "1s 10s", "2s 7s", "3s 107s", "4s 97s", "5s 100s"}, givenFaults(t, `
		fault 1s skew a by 10s for 3s
		fault 2s skew a,b by -3s for 3s
	`, func(t *testing.T, sim *Sim) {
		sim.At(3*time.Second, func() { sim.Host("a").SetSkew(100 * time.Second) })
	}, func(sim *Sim) string {
		return fmt.Sprintf("%.0fs", time.Until(sim.Host("a").Clock().Now()).Seconds())
	}))
}

// During its fault, a name does not resolve in any spelling. Afterwards it resolves as the
// test has set it.
func TestChaosOfNames(t *testing.T) {
	assert.Equal(t, []string{
		"500ms a: <nil>, b: <nil>",
		"1s a: <nil>, b: lookup B: server misbehaving",
		"3s a: lookup a: server misbehaving, b: lookup B: server misbehaving",
		"4s a: lookup a: of the test, b: <nil>",
	}, givenFaults(t, `
		fault 1s name b for 2s
		fault 2s name b for 2s
		fault 3s name a for 1s
	`, func(t *testing.T, sim *Sim) {
		sim.At(3500*time.Millisecond, func() { sim.SetName("a", Name{Err: errors.New("of the test")}) })
	}, func(sim *Sim) string {
		_, errA := sim.Host("c").Resolver().LookupHost(context.Background(), "a")
		_, errB := sim.Host("c").Dial("udp", "B:1")
		var dns *net.DNSError
		if errors.As(errB, &dns) {
			errB = dns
			if !dns.IsTemporary || dns.IsNotFound {
				return "it is of another kind"
			}
		}
		return fmt.Sprintf("a: %v, b: %v", errA, errB)
	}))
}

// Faults of a schedule appear in the trace, in the same words as the test's own faults.
func TestChaosIsInTheTrace(t *testing.T) {
	var events []string
	carriedOut(t, Config{KeepEvents: 100, Chaos: Chaos{Duration: time.Second, Schedule: `
		fault 1s partition a,b | c for 10s
		fault 2s partition a > b,c for 9s
		fault 3s slow a | b by 200ms for 8s
		fault 4s lossy a > c by 2.5% for 7s
		fault 5s hold a | b for 6s
		fault 6s reset a | b
		fault 7s skew a by -1s for 4s
		fault 8s name a for 3s
		fault 9s kill a for 2s
		fault 9s pause b for 2s
		fault 9s crash c for 1s
		fault 12s restart a,b
	`}}, func(t *testing.T, sim *Sim) {
		idleHosts("a", "b", "c")(t, sim)
		for _, e := range sim.Trace().Events() {
			events = append(events, e.String())
		}
	})
	assert.Equal(t, strings.Split(`1s fault a,b|c> (partition)
2s fault a>b,c (partition)
3s fault a|b> (slow by 200ms)
4s fault a>c (lossy by 2.5%)
5s fault a|b> (hold)
6s fault a|b> (reset)
7s host >a (skew -1s)
8s fault >a (name fails)
9s host >a (kill)
9s host >b (pause)
9s host >c (crash)
10s host >c (restart)
11s fault a,b|c> (heal)
11s fault a>b,c (heal)
11s fault a|b> (no longer slow by 200ms)
11s fault a>c (no longer lossy by 2.5%)
11s fault a|b> (release)
11s host >a (skew 0s)
11s fault >a (name)
11s host >a (restart)
11s host >b (resume)
12s host >a (crash)
12s host >a (restart)
12s host >b (crash)
12s host >b (restart)`, "\n"), events)
}

// leftOver lists the effects of a Chaos that remain.
func leftOver(sim *Sim, link netem.Link) (left []string) {
	sim.mu.Lock()
	defer sim.mu.Unlock()
	note := func(is bool, what string, where ...string) {
		if is {
			left = append(left, what+" "+strings.Join(where, ">"))
		}
	}
	c := sim.chaos
	note(len(c.active) > 0 || len(c.cuts) > 0 || len(c.names) > 0 || len(c.due) > 0, "state")
	for _, h := range sim.ordered {
		note(h.hasEndedLocked(), "down", h.name)
		note(h.paused || h.catchingUp || len(h.parked) > 0, "paused", h.name)
		note(h.skewedLocked() != 0, "skew", h.name)
		note(h.chaos != nil && *h.chaos != hostChaos{}, "chaos", h.name)
	}
	for key, r := range sim.routes {
		note(r.blocked, "blocked", key[:]...)
		note(r.held || len(r.waiting) > 0, "held", key[:]...)
		note(key[0] != key[1] && r.link != link, "link", key[:]...)
	}
	slices.Sort(left)
	return left
}

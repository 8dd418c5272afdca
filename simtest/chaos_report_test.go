package simtest_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// A failure lists the faults that were carried out, as lines that can be given again,
// and the report of the state lists the faults in effect.
func TestFailureListsItsFaults(t *testing.T) {
	chaos := simtest.Chaos{Duration: 10 * time.Second, Schedule: "fault 3s partition a | b for 7s\nfault 1s kill a for 1s\nfault 8s kill b for 1s\nfault 2s kill late for 1s"}
	output := failing(t, simtest.Config{TimeLimit: 5 * time.Second, Chaos: chaos}, func(t *testing.T, sim *simtest.Sim) {
		sim.Host("a")
		sim.Host("b")
		sim.At(4*time.Second, func() { sim.Host("late") })
		<-sim.Quiet()
	})
	if output == "" {
		return
	}
	assert.Contains(t, withoutIndent(output), "stopped after 5s of simulated time: the time limit is reached.")
	assert.Contains(t, withoutIndent(output), `On the network:
fault 3s partition a | b for 7s, until 10s
faults are over at 10s
partition: nothing gets from a to b
partition: nothing gets from b to a
`)
	assert.Contains(t, withoutIndent(output), `these faults were carried out, as in Chaos.Schedule:
fault 1s kill a for 1s
fault 3s partition a | b for 7s
# a host did not exist yet: fault 2s kill late for 1s
the seed was 0. To run it again:
`)
}

// The report of a panic lists the faults, too.
func TestPanicListsItsFaults(t *testing.T) {
	if os.Getenv("SIMTEST_FAILING") == t.Name() {
		config := simtest.Config{Chaos: simtest.Chaos{Schedule: "fault 1s restart a\nfault 2s restart a"}}
		config.Run(t, func(t *testing.T, sim *simtest.Sim) {
			sim.Host("a").Run(func(ctx context.Context) error {
				if <-ctx.Done(); context.Cause(ctx) == simtest.ErrCrashed {
					panic("it fails")
				}
				return nil
			})
			time.Sleep(time.Minute)
		})
		return
	}
	output := runSelf(t, t.Name(), "SIMTEST_FAILING="+t.Name())
	assert.Contains(t, output, "these faults were carried out, as in Chaos.Schedule:\n  fault 1s restart a\nthe seed was 0. To run it again:\n")
}

// If no fault was carried out, the failure says so.
func TestFailureSaysThatThereWereNoFaults(t *testing.T) {
	output := failing(t, simtest.Config{Chaos: simtest.DefaultChaos()}, func(t *testing.T, sim *simtest.Sim) {
		time.Sleep(10 * time.Second)
		t.Error("it fails")
	})
	if output != "" {
		assert.Contains(t, withoutIndent(output), "simtest: no fault of Chaos was carried out.\nthe seed was 0. To run it again:\n")
	}
}

// A program that does not recover is stopped when Quiet is over.
func TestProgramThatDoesNotRecover(t *testing.T) {
	output := failing(t, simtest.Config{Chaos: simtest.Chaos{Duration: 10 * time.Second, Quiet: 5 * time.Second, Hosts: []string{"a"}, Mix: simtest.ChaosMix{Crash: 1}}}, func(t *testing.T, sim *simtest.Sim) {
		sim.Host("a")
		<-sim.Quiet()
		for {
			time.Sleep(time.Second)
			if sim.Elapsed() > time.Hour {
				return
			}
		}
	})
	if output != "" {
		assert.Contains(t, output, "stopped after 15.000000001s of simulated time: Chaos.Quiet is over, and the simulation has not ended.")
	}
}

// A program that ends at the last instant of Quiet has recovered. If Quiet is negative
// it is no limit; the TimeLimit always applies.
func TestQuietIsLongEnough(t *testing.T) {
	for _, chaos := range []simtest.Chaos{
		{Duration: 10 * time.Second, Quiet: 50 * time.Second},
		{Duration: 10 * time.Second, Quiet: -1},
	} {
		simtest.Config{Chaos: chaos}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			sim.Host("a")
			<-sim.Quiet()
			assert.Equal(t, 10*time.Second, sim.Elapsed())
			time.Sleep(50 * time.Second)
		})
	}
}

// If a fault names a host that is never created, the run fails with that name.
func TestFaultsOfUnknownHosts(t *testing.T) {
	for name, chaos := range map[string]simtest.Chaos{
		"schedule": {Schedule: "fault 1s kill poet for 1s\nfault 2s partition peot | poet for 1s\nfault 3s restart peot\nfault 100s restart raeder"},
		"hosts":    {Hosts: []string{"poet", "peot", "reader"}},
	} {
		t.Run(name, func(t *testing.T) {
			output := failing(t, simtest.Config{Chaos: chaos}, func(t *testing.T, sim *simtest.Sim) {
				sim.Host("poet")
				sim.Host("reader")
				time.Sleep(5 * time.Second)
			})
			switch {
			case output == "":
			case name == "schedule":
				assert.Contains(t, withoutIndent(output), `simtest: some hosts were named but never created: fix the names, or create the hosts with Sim.Host
the schedule's "fault 1m40s restart raeder" names "raeder"; the nearest name is "reader"
the schedule's "fault 2s partition peot | poet for 1s" names "peot"; the nearest name is "poet"
`)
			default:
				assert.Contains(t, withoutIndent(output), `simtest: some hosts were named but never created: fix the names, or create the hosts with Sim.Host
Chaos.Hosts names "peot"; the nearest name is "poet"
`)
			}
		})
	}
}

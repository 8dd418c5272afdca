package simtest_test

import (
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// chaos is a cluster of five with a fault every second for two minutes, drawn from the
// seed. Afterwards there are no faults, and it has a leader.
func chaos(t *testing.T, sim *simtest.Sim, note func(string, ...any)) {
	const lasts = 2 * time.Minute
	c := startCluster(t, sim, 5, 1)
	sim.Every(time.Second, func() {
		if sim.Elapsed() > lasts {
			return
		}
		order := sim.Rand().Perm(len(c.nodes))
		one, other, third := c.nodes[order[0]], c.nodes[order[1]], c.nodes[order[2]]
		switch sim.Rand().IntN(12) {
		case 0:
			sim.Partition([]string{one.Name(), other.Name()})
		case 1:
			sim.PartitionOneWay([]string{one.Name()}, []string{other.Name(), third.Name()})
		case 2:
			sim.Heal(one.Name())
		case 3:
			sim.Heal()
		case 4:
			sim.Hold(one.Name(), other.Name())
		case 5:
			sim.Release(one.Name(), other.Name())
		case 6:
			sim.Reset(one.Name(), other.Name())
		case 7:
			one.Crash()
		case 8:
			one.Restart()
			other.Restart()
		case 9:
			one.Pause()
			time.Sleep(time.Duration(sim.Rand().IntN(3000))*ms + ms/2) // does not end at the instant of another fault
			one.Resume()
		case 10:
			sim.Blackhole(one.Name() + ":700")
			other.SetSkew(time.Duration(sim.Rand().IntN(100)) * ms)
		case 11:
			sim.Allow(one.Name() + ":700")
		}
	})
	time.Sleep(lasts + time.Second)
	sim.Heal()
	for i, one := range c.nodes {
		one.Resume()
		sim.Allow(one.Name() + ":700")
		for _, other := range c.nodes[:i] {
			sim.Release(one.Name(), other.Name())
		}
	}
	for _, one := range c.nodes {
		one.Restart()
	}
	time.Sleep(2 * bound)
	c.checkLeader()
	for _, change := range c.log() {
		note("%v", change)
	}
}

// A cluster's run repeats with the same seed, and there are never two leaders of one
// term.
func TestSeedsChaos(t *testing.T) {
	checkSeeds(t, simtest.Config{Link: overland}, chaos)
}

package simtest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A fault does not change the random losses of other packets: packets that are cut off
// or dropped by a rule are numbered, too.
func TestFaultsShiftNoDraws(t *testing.T) {
	const packets = 100
	arrived := func(access bool, begin, end func(sim *simtest.Sim)) (numbers map[byte]bool) {
		numbers = make(map[byte]bool)
		simtest.Config{Seed: 3, Link: netem.Link{Latency: ms, Loss: netem.Loss{Random: 0.3}}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			to, err := sim.Host("b").ListenPacket("udp", ":7")
			require.NoError(t, err)
			from, err := sim.Host("a").Dial("udp", "b:7")
			require.NoError(t, err)
			if access {
				sim.Host("b").SetAccess(netem.Symmetric(netem.Link{Loss: netem.Loss{Random: 0.2}}))
			}
			sim.At(205*ms, func() { begin(sim) })
			sim.At(305*ms, func() { end(sim) })
			for n := range byte(packets) {
				_, err := from.Write([]byte{n})
				require.NoError(t, err)
				time.Sleep(10 * ms)
			}
			for p := make([]byte, 1); ; {
				require.NoError(t, to.SetReadDeadline(time.Now().Add(time.Second)))
				if _, _, err := to.ReadFrom(p); err != nil {
					return
				}
				numbers[p[0]] = true
			}
		})
		return numbers
	}
	nothing := func(*simtest.Sim) {}
	for _, access := range []bool{false, true} {
		calm := arrived(access, nothing, nothing)
		assert.Greater(t, len(calm), packets/3)
		for name, fault := range map[string][2]func(sim *simtest.Sim){
			"partition": {func(sim *simtest.Sim) { sim.Partition([]string{"b"}) }, func(sim *simtest.Sim) { sim.Heal() }},
			"blackhole": {func(sim *simtest.Sim) { sim.Blackhole("b:7") }, func(sim *simtest.Sim) { sim.Allow("b:7") }},
		} {
			faulty := arrived(access, fault[0], fault[1])
			for n := range byte(packets) {
				if n <= 20 || n > 30 {
					assert.Equal(t, calm[n], faulty[n], "%s, packet %d", name, n)
				} else {
					assert.False(t, faulty[n])
				}
			}
		}
	}
}

package simtest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// Cuts add up, and are healed, as if each pair of hosts were handled separately.
func TestCutsActOnEachPairSeparately(t *testing.T) {
	t.Parallel()
	const hosts, early = 70, 60
	for seed := range uint64(40) {
		Config{KeepPools: true}.Run(t, func(t *testing.T, sim *Sim) {
			random := rand.New(rand.NewPCG(seed, 1))
			name := func(i int) string { return fmt.Sprint("h", i) }
			side := func(most int) (side []string) {
				for range random.IntN(most) {
					side = append(side, name(random.IntN(early)))
				}
				return side
			}
			for i := range early {
				sim.Host(name(i))
			}
			sim.SetLink(name(1), name(early), sim.link) // a route before its host
			for i := early; i < hosts; i++ {
				sim.Host(name(i))
			}
			lost := make(map[[2]string]bool)
			block := func(from, to []string) {
				for _, a := range from {
					for _, b := range to {
						if a != b {
							lost[[2]string{a, b}] = true
						}
					}
				}
			}
			for range 15 {
				switch random.IntN(4) {
				case 0:
					from, to := side(20), side(20)
					sim.PartitionOneWay(from, to)
					block(from, to)
				case 1:
					sides := [][]string{side(20), side(20), side(5)}
					sim.Partition(sides...)
					for i := range sides {
						for j := range sides {
							if i != j {
								block(sides[i], sides[j])
							}
						}
					}
				case 2:
					healed := side(5)
					if len(healed) == 0 {
						clear(lost)
					}
					sim.Heal(healed...)
					for _, h := range healed {
						for i := range hosts {
							delete(lost, [2]string{h, name(i)})
							delete(lost, [2]string{name(i), h})
						}
					}
				default:
					sim.SetLink(name(random.IntN(hosts)), name(random.IntN(hosts)), sim.link)
				}
				sim.mu.Lock()
				for i := range hosts {
					for j := range hosts {
						key := [2]string{name(i), name(j)}
						r := sim.routes[key]
						if cut := sim.isCutLocked(key[0], key[1]); cut != lost[key] || r != nil && r.blocked != cut {
							require.FailNow(t, "not as it should be", "seed %d, %v: cut %v, route %v", seed, key, cut, r)
						}
					}
				}
				sim.mu.Unlock()
			}
		})
	}
}

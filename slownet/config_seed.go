package slownet

import "math/rand/v2"

// mix makes one seed of several numbers, so that neighbours have nothing in
// common.
func mix(numbers ...uint64) uint64 {
	var state uint64
	for _, n := range numbers {
		var d rand.PCG
		d.Seed(state, n)
		state = d.Uint64()
	}
	return state
}

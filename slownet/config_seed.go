package slownet

import "math/rand/v2"

// deriveSeed derives a seed from several numbers, so that seeds of neighbouring
// numbers are unrelated.
func deriveSeed(numbers ...uint64) uint64 {
	var state uint64
	for _, n := range numbers {
		var d rand.PCG
		d.Seed(state, n)
		state = d.Uint64()
	}
	return state
}

package simtest

import "math/bits"

// mix makes one number of two, such that neighbours have nothing in common. It
// gives the same on every platform.
func mix(state, n uint64) uint64 {
	// The odd constants are the first digits of the golden ratio and of pi.
	high, low := bits.Mul64(state^0x9e3779b97f4a7c15, n^0x243f6a8885a308d3)
	state = high ^ low ^ bits.RotateLeft64(state, 23) + n
	state ^= state >> 32
	state *= 0x9e3779b97f4a7c15
	return state ^ state>>29
}

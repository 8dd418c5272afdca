// Package mix64 hashes numbers. The hashes of neighbouring numbers are unrelated.
// Results are the same on every platform, and must never change: seeds and digests
// depend on them.
package mix64

import "math/bits"

// Mix hashes two numbers to one.
func Mix(state, n uint64) uint64 {
	// The odd constants are the first digits of the golden ratio and of pi.
	high, low := bits.Mul64(state^0x9e3779b97f4a7c15, n^0x243f6a8885a308d3)
	state = high ^ low ^ bits.RotateLeft64(state, 23) + n
	state ^= state >> 32
	state *= 0x9e3779b97f4a7c15
	return state ^ state>>29
}

// String hashes a number and a string to one number.
func String(state uint64, s string) uint64 {
	if len(s) >= 8 {
		state, s = wholeWords(state, s)
	}
	return Mix(state, lastWord(s))
}

// wholeWords hashes the whole words of a string. It returns the new state and the rest of
// the string, at most seven bytes.
func wholeWords(state uint64, s string) (uint64, string) {
	for ; len(s) >= 8; s = s[8:] {
		state = Mix(state, uint64(s[0])|uint64(s[1])<<8|uint64(s[2])<<16|uint64(s[3])<<24|
			uint64(s[4])<<32|uint64(s[5])<<40|uint64(s[6])<<48|uint64(s[7])<<56)
	}
	return state, s
}

// lastWord returns the bytes of a string of up to seven bytes, the first one lowest,
// and its length as the highest byte.
func lastWord(s string) uint64 {
	n := len(s)
	word := uint64(n) << 56
	switch {
	case n >= 4: // two overlapping halves
		end := s[n-4:]
		word |= uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
		word |= (uint64(end[0]) | uint64(end[1])<<8 | uint64(end[2])<<16 | uint64(end[3])<<24) << (8 * (n - 4) & 63)
	case n > 0: // the first, the middle and the last one
		word |= uint64(s[0]) | uint64(s[n/2])<<(8*(n/2)&63) | uint64(s[n-1])<<(8*(n-1)&63)
	}
	return word
}

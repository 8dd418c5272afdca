package simtest

import "github.com/slowpoetry/slowpoetry/internal/mix64"

// mix makes one number of two, such that neighbours have nothing in common. It
// gives the same on every platform.
func mix(state, n uint64) uint64 { return mix64.Mix(state, n) }

// mixString makes one number of a number and a string.
func mixString(state uint64, s string) uint64 { return mix64.String(state, s) }

//go:build race

package simtest_test

// raceEnabled reports whether the race detector is on, which makes the tests ten times
// as slow.
const raceEnabled = true

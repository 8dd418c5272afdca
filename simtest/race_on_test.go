//go:build race

package simtest_test

// raceEnabled tells that the race detector is on, which makes all of this ten
// times as slow.
const raceEnabled = true

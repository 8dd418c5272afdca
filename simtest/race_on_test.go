//go:build race

package simtest_test

// raceEnabled says that the race detector is on, which makes the tests ten times as
// slow.
const raceEnabled = true

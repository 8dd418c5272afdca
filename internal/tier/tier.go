// Package tier separates the quick tests from the nightly ones. go test ./... runs
// the quick ones: every behavior once, in 45 seconds on two processors. With
// SIMTEST_LONG=1 the same tests run with large counts, or a tenth of these under the
// race detector.
package tier

import "os"

// Long reports whether large counts are requested, by SIMTEST_LONG=1.
func Long() bool { return os.Getenv("SIMTEST_LONG") == "1" }

// Pick returns the value for the current tier.
func Pick[T any](quick, long T) T {
	if Long() {
		return long
	}
	return quick
}

// Count returns a number of repetitions for the current tier. The race detector
// makes tests five to ten times as slow, and needs fewer repetitions: with it the
// large count is a tenth, but at least the quick one.
func Count[T ~int | ~uint64 | ~int64](quick, long T) T {
	switch {
	case !Long():
		return quick
	case race:
		return max(quick, long/10)
	}
	return long
}

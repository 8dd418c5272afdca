// Package tier separates the quick tests from the nightly ones. go test ./...
// runs the quick ones: every behavior once, in 45 seconds on two processors.
// With SIMTEST_LONG=1 the same tests run with their large counts.
package tier

import "os"

// Long reports whether the large counts are asked for, by SIMTEST_LONG=1.
func Long() bool { return os.Getenv("SIMTEST_LONG") == "1" }

// Pick returns the value for the tier that runs.
func Pick[T any](quick, long T) T {
	if Long() {
		return long
	}
	return quick
}

// Package bugtest tests that a search finds a program's bug.
//
// Each program has a test with a simtest.Search. The test passes. With EXAMPLE_BUG=1
// the program has its bug, and the test fails.
package bugtest

import (
	"os"
	"testing"

	"github.com/slowpoetry/slowpoetry/internal/tier"
)

// bugVariable enables the bugs of the programs.
const bugVariable = "EXAMPLE_BUG"

// HasBug reports whether the program must have its bug.
func HasBug() bool { return os.Getenv(bugVariable) != "" }

// Find runs a test of the package with the bug. The test's search must fail within
// 2,000 seeds, with the given message, and write a replay with few faults. The replay
// must fail each time it runs with the bug, and pass without the bug. In the nightly
// tests this must also hold with the race detector.
func Find(t *testing.T, test, message string) {
	for _, flags := range tier.Pick([][]string{nil}, [][]string{nil, {"-race"}}) {
		program := build(t, test, flags...)
		replay := program.search(t, message)
		program.replay(t, replay, message, tier.Pick(2, 100))
	}
}

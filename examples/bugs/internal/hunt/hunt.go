// Package hunt tests that a search finds the bug of a program.
//
// Each program has a test with a simtest.Search. It passes, and with EXAMPLE_BUG=1 it
// fails, because the program has its bug then.
package hunt

import (
	"os"
	"testing"

	"github.com/slowpoetry/slowpoetry/internal/tier"
)

// bugVariable gives the programs their bugs.
const bugVariable = "EXAMPLE_BUG"

// HasBug reports whether the program is to have its bug.
func HasBug() bool { return os.Getenv(bugVariable) != "" }

// Find runs a test of the package with the bug. Its search must fail within 2,000
// seeds, with the message, and write a replay of few faults. The replay must fail with
// the bug whenever it runs, and pass without it. In the nightly tests that is so with
// the race detector, too.
func Find(t *testing.T, test, message string) {
	for _, flags := range tier.Pick([][]string{nil}, [][]string{nil, {"-race"}}) {
		program := build(t, test, flags...)
		replay := program.search(t, message)
		program.replay(t, replay, message, tier.Pick(2, 100))
	}
}

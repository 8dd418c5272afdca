// Package hunt tests that a search finds the bug of a program.
//
// Each program has a test with a simtest.Search. It passes, and with EXAMPLE_BUG=1 it
// fails, because the program has its bug then.
package hunt

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// bugVariable gives the programs their bugs.
const bugVariable = "EXAMPLE_BUG"

// HasBug reports whether the program is to have its bug.
func HasBug() bool { return os.Getenv(bugVariable) != "" }

// Find runs a test of the package with the bug. Its search must fail within 2,000
// seeds, with the message.
func Find(t *testing.T, test, message string) {
	out, failed := run(t, test, bugVariable+"=1", "SIMTEST_SEEDS=2000")
	require.True(t, failed, "the bug is not found:\n%s", out)
	t.Log(out)
	assert.Contains(t, out, message)
}

// run runs a test of the package in a process of its own.
func run(t *testing.T, test string, environment ...string) (out string, failed bool) {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+test+"$", "-test.v")
	command.Env = append(os.Environ(), environment...)
	output, err := command.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !assert.ErrorAs(t, err, &exit) {
		t.FailNow()
	}
	return string(output), err != nil
}

package bugtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A program is the test binary of a package, and the name of one of its tests.
type program struct{ file, test string }

// build builds the package's test binary.
func build(t *testing.T, test string, flags ...string) program {
	t.Helper()
	file := filepath.Join(t.TempDir(), "program.test")
	args := append([]string{"test", "-c", "-o", file}, flags...)
	output, err := exec.CommandContext(t.Context(), "go", append(args, ".")...).CombinedOutput()
	require.NoError(t, err, "%s", output)
	return program{file, test}
}

// maxFaults is the maximum number of faults in a replay.
const maxFaults = 3

// search runs the search, which must find the bug, and returns the replay that it writes.
func (p program) search(t *testing.T, message string) (replay string) {
	t.Helper()
	folder := t.TempDir()
	out, failed := p.run(t, nil, bugVariable+"=1", "SIMTEST_SEEDS=2000", "SIMTEST_REPLAYS="+folder)
	require.True(t, failed, "the search has not found the bug:\n%s", out)
	t.Log(out)
	assert.Contains(t, out, message)
	replays, err := filepath.Glob(filepath.Join(folder, p.test, "*.replay"))
	require.NoError(t, err)
	require.Len(t, replays, 1)
	text, err := os.ReadFile(replays[0])
	require.NoError(t, err)
	assert.Contains(t, string(text), message)
	assert.LessOrEqual(t, strings.Count(string(text), "\nfault "), maxFaults, "%s", text)
	return replays[0]
}

// replay runs a replay several times on 1, 2 and 4 processors. With the bug each run
// must fail, with the message and the same trace. Without the bug each run must pass.
func (p program) replay(t *testing.T, file, message string, times int) {
	t.Helper()
	flags := []string{"-test.cpu=1,2,4", "-test.count=" + strconv.Itoa(times)}
	out, _ := p.run(t, flags, bugVariable+"=1", "SIMTEST_REPLAY="+file)
	assert.Equal(t, 3*times, strings.Count(out, "--- FAIL: "), "%s", out)
	assert.Equal(t, 3*times, strings.Count(out, message), "%s", out)
	assert.Equal(t, 3*times, strings.Count(out, "it is the same run"), "%s", out)
	out, failed := p.run(t, flags, "SIMTEST_REPLAY="+file)
	assert.False(t, failed, "%s", out)
	assert.Equal(t, 3*times, strings.Count(out, "--- PASS: "), "%s", out)
}

// run runs the test in a process of its own.
func (p program) run(t *testing.T, flags []string, environment ...string) (out string, failed bool) {
	t.Helper()
	command := exec.CommandContext(t.Context(), p.file, append(flags, "-test.run=^"+p.test+"$", "-test.v", "-test.timeout=1h")...)
	command.Env = append(Environment(), environment...)
	output, err := command.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil {
		require.ErrorAs(t, err, &exit)
	}
	return string(output), err != nil
}

// Environment returns this process's environment without the variables that configure
// searches and enable bugs.
func Environment() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "SIMTEST_") || strings.HasPrefix(variable, bugVariable+"=")
	})
}

package cmd_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tier"
)

// An outsider is a new module with the tests of testdata/overlay.
type outsider struct {
	t       *testing.T
	folder  string
	slownet string
}

// newOutsider creates the module. Its tests rebuild the standard library, which
// takes too long for the quick tests.
func newOutsider(t *testing.T) *outsider {
	if !tier.Long() || runtime.GOOS != "linux" {
		t.Skip("this needs SIMTEST_LONG=1 and Linux")
	}
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	folder := t.TempDir()
	o := &outsider{t, folder, filepath.Join(t.TempDir(), "slownet")}
	build := exec.Command("go", "build", "-o", o.slownet, "./cmd/slownet")
	build.Dir = root
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.NoError(t, os.CopyFS(folder, os.DirFS(filepath.Join("testdata", "overlay"))))
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	o.write("go.sum", string(sums))
	o.write("go.mod", "module example.com/outside\n\ngo 1.25.0\n\nrequire github.com/slowpoetry/slowpoetry v0.0.0\n\nreplace github.com/slowpoetry/slowpoetry => "+root+"\n")
	o.mustRun([]string{"GOFLAGS=-mod=mod"}, "go", "mod", "tidy")
	return o
}

func (o *outsider) write(name, text string) {
	require.NoError(o.t, os.WriteFile(filepath.Join(o.folder, name), []byte(text), 0o666))
}

func (o *outsider) read(name string) string {
	text, err := os.ReadFile(filepath.Join(o.folder, name))
	require.NoError(o.t, err)
	return string(text)
}

// run runs a command in the module.
func (o *outsider) run(env []string, name string, args ...string) (output string, err error) {
	command := exec.Command(name, args...)
	command.Dir = o.folder
	command.Env = append(os.Environ(), "SIMTEST_LONG=")
	command.Env = append(command.Env, env...)
	text, err := command.CombinedOutput()
	return string(text), err
}

func (o *outsider) mustRun(env []string, name string, args ...string) string {
	o.t.Helper()
	output, err := o.run(env, name, args...)
	require.NoError(o.t, err, "%s", output)
	return output
}

// digests returns the different digests in the output, with their counts.
func digests(output string) map[string]int {
	found := make(map[string]int)
	for line := range strings.Lines(output) {
		if digest, ok := strings.CutPrefix(line, "digest "); ok {
			found[digest]++
		}
	}
	return found
}

// slownet test works in a new module without any other step, both with the Go in use and
// with other versions that GOTOOLCHAIN fetches. Once the overlay and the tests are built,
// it takes hardly longer than go test.
func TestOverlayInANewModule(t *testing.T) {
	o := newOutsider(t)
	for _, toolchain := range []string{"local", "go1.25.10"} {
		env := []string{"GOTOOLCHAIN=" + toolchain}
		if output, err := o.run(env, "go", "version"); err != nil {
			t.Logf("%s is not available: %s", toolchain, output)
			continue
		}
		output := o.mustRun(env, o.slownet, "test", "-count=1", "./...")
		assert.Contains(t, output, "ok  \texample.com/outside")
		start := time.Now()
		o.mustRun(env, o.slownet, "test", "-count=1", "-run", "Four", "./...")
		with := time.Since(start)
		o.mustRun(env, "go", "test", "-count=1", "-run", "Four", "./...")
		start = time.Now()
		o.mustRun(env, "go", "test", "-count=1", "-run", "Four", "./...")
		t.Logf("%s: slownet test %v, go test %v", toolchain, with, time.Since(start))
		assert.Less(t, with, 20*time.Second)
	}

	// A user's own overlay works, and so do vendored modules. The failures of tests are
	// printed.
	o.write("own.json", `{"Replace": {"added_test.go": "added.go.txt"}}`)
	o.write("added.go.txt", "package outside\n\nimport \"testing\"\n\nfunc TestAdded(t *testing.T) { t.Error(\"added\") }\n")
	output, err := o.run([]string{"GOFLAGS=-overlay=own.json"}, o.slownet, "test", "-run", "Added", ".")
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, 1, exit.ExitCode())
	assert.Contains(t, output, "--- FAIL: TestAdded")
	o.mustRun(nil, "go", "mod", "vendor")
	assert.Contains(t, o.mustRun(nil, o.slownet, "test", "-mod=vendor", "-run", "Four", "."), "ok  \t")
}

// In a module that imports simtest, go run builds the command of the same version after go
// mod tidy. The module does not require modules that only the command needs.
func TestOverlayByGoRun(t *testing.T) {
	o := newOutsider(t)
	assert.NotContains(t, o.read("go.mod"), "prometheus")
	output := o.mustRun([]string{"GOFLAGS=-mod=readonly"}, "go", "run", "github.com/slowpoetry/slowpoetry/cmd/slownet", "test", "-count=1", "-run", "Four", "./...")
	assert.Contains(t, output, "ok  \texample.com/outside")
}

// An overlay made by another version of slownet causes a single clear error, unless all its
// layers are off.
func TestOverlayOfAnotherVersion(t *testing.T) {
	o := newOutsider(t)
	made, err := o.run(nil, o.slownet, "overlay")
	if err != nil {
		t.Skip(made) // this Go is in the module cache
	}
	file := strings.TrimSpace(made)
	goroot := strings.TrimSpace(o.mustRun(nil, "go", "env", "GOROOT"))
	var overlay struct{ Replace map[string]string }
	require.NoError(t, json.Unmarshal([]byte(o.mustRun(nil, "cat", file)), &overlay))
	added := filepath.Join(goroot, "src", "runtime", "zsimtest.go")
	text := o.mustRun(nil, "cat", overlay.Replace[added])
	number := regexp.MustCompile(`SimtestInterface\(\) int \{ return \d+ }`)
	require.Regexp(t, number, text)
	o.write("runtime.go.txt", number.ReplaceAllString(text, "SimtestInterface() int { return 99 }"))
	overlay.Replace[added] = filepath.Join(o.folder, "runtime.go.txt")
	another, err := json.Marshal(overlay)
	require.NoError(t, err)
	o.write("another.json", string(another))
	o.mustRun(nil, "go", "test", "-overlay=another.json", "-c", "-o", "another.test", ".")
	output, err := o.run(nil, "./another.test", "-test.run", "Four")
	assert.Error(t, err)
	assert.Contains(t, output, "the overlay is of a version of slownet that does not fit this simtest (its interface has the number 99, not ")
	o.mustRun([]string{"SIMTEST_OVERLAY=none"}, "./another.test", "-test.run", "Four")
}

// A mutex that is held outside the simulation stops time, and changes no schedule unless it
// is held for long. If it is never unlocked, the test fails and says why. Waits for what is
// held inside are short.
func TestOverlayHeldOutside(t *testing.T) {
	o := newOutsider(t)
	for _, processors := range []string{"1", "2", "4"} {
		o.mustRun(nil, o.slownet, "test", "-count=2", "-cpu", processors, "-run", "Held(Outside|Inside)|Collect", ".")
		o.mustRun(nil, o.slownet, "test", "-race", "-count=2", "-cpu", processors, "-run", "Held(Outside|Inside)|Collect", ".")
	}
	for _, race := range []string{"-race=false", "-race"} {
		o.mustRun(nil, o.slownet, "test", race, "-count=1", "-run", "TurnIsLost", ".") // in a process of its own
	}
	output, err := o.run([]string{"HELD=1"}, o.slownet, "test", "-timeout=5m", "-run", "HeldForEver", ".")
	assert.Error(t, err)
	assert.Contains(t, output, "The mutex is held outside of the simulation")
	assert.Contains(t, output, "everything is blocked forever")
}

// Programs whose results differ in nearly every run without the overlay have the same
// results in each run with it: in one process and in many, with any number of
// processors, and with the race detector.
func TestOverlayRepeats(t *testing.T) {
	o := newOutsider(t)
	for _, test := range []string{"TestFour", "TestChance"} {
		assert.Greater(t, len(digests(o.mustRun(nil, "go", "test", "-count=1", "-v", "-run", test, "."))), 10, test)
	}
	o.mustRun(nil, o.slownet, "test", "-c", "-o", "plain.test", ".")
	o.mustRun(nil, o.slownet, "test", "-race", "-c", "-o", "race.test", ".")
	for _, test := range []string{"TestFour", "TestChance"} {
		all := make(map[string]int)
		for _, program := range []string{"./plain.test", "./race.test"} {
			for i := range 21 {
				env := []string{"GOMAXPROCS=" + []string{"1", "2", "4"}[i%3]}
				for digest, n := range digests(o.mustRun(env, program, "-test.v", "-test.run", test)) {
					all[digest] += n
				}
			}
		}
		assert.Len(t, all, 1, test)
		for _, n := range all {
			assert.Equal(t, 2*21*20, n)
		}
	}
}

// scheduled matches the seed of the schedule in a command line that repeats a failure.
var scheduled = regexp.MustCompile(`SIMTEST_SCHEDULE=(\d+) .*slownet test -run`)

// Bugs that depend on the order of goroutines are found within a few schedules, and the
// schedule that finds a bug shows it in each run.
func TestOverlayFindsBugs(t *testing.T) {
	o := newOutsider(t)
	o.mustRun(nil, o.slownet, "test", "-c", "-o", "plain.test", ".")
	for _, test := range []string{"TestLostUpdate", "TestCheckThenAct", "TestTornRead", "TestSendOnClosed", "TestLockOrder"} {
		again := func(schedule string) (string, error) {
			return o.run([]string{"SIMTEST_SCHEDULE=" + schedule}, "./plain.test", "-test.run", "^"+test+"$")
		}
		_, err := again("0")
		assert.NoError(t, err, test)
		var found []string
		for schedule := 1; schedule <= 200; schedule++ {
			output, err := again(strconv.Itoa(schedule))
			if err == nil {
				continue
			}
			printed := scheduled.FindStringSubmatch(output)
			require.NotNil(t, printed, "%s", output)
			found = append(found, printed[1])
		}
		require.NotEmpty(t, found, test)
		t.Logf("%s: %d of 200 schedules, the first is %s", test, len(found), found[0])
		for range 20 {
			for _, schedule := range found[:min(3, len(found))] {
				_, err := again(schedule)
				assert.Error(t, err, "%s, schedule %s", test, schedule)
			}
		}
	}
}

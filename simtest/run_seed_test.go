package simtest

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSeedFromEnvironment(t *testing.T) {
	for text, want := range map[string]uint64{"": 5, "0": 0, "7": 7, "18446744073709551615": 1<<64 - 1} {
		t.Setenv("SIMTEST_SEED", text)
		seed, err := seedFromEnvironment(5)
		assert.NoError(t, err)
		assert.Equal(t, want, seed)
	}
	for _, text := range []string{"x", "-1", "1.5", " 7", "0x7", "1_000", "18446744073709551616"} {
		t.Setenv("SIMTEST_SEED", text)
		_, err := seedFromEnvironment(5)
		assert.EqualError(t, err, fmt.Sprintf("simtest: SIMTEST_SEED is %q, which is not a seed: set it to a whole number from 0 to 18446744073709551615, or unset it", text))
	}
}

// The line names this package, this test and the seed.
func TestRerunLine(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the line is for a POSIX shell here")
	}
	flags := ""
	if info, ok := debug.ReadBuildInfo(); ok && len(buildFlags(info)) > 0 {
		flags = " " + strings.Join(buildFlags(info), " ")
	}
	assert.Equal(t, "SIMTEST_SEED=7 "+GoTestCommand()+flags+" -run '^TestRerunLine$' -count=1 github.com/slowpoetry/slowpoetry/simtest", rerunLine(t, 7, 0))
	assert.Equal(t, "github.com/slowpoetry/slowpoetry/simtest", testedPackage())
}

// Whatever the names of subtests are, the line runs exactly the subtest that failed,
// with its seed.
func TestRerunLineRunsAgain(t *testing.T) {
	if os.Getenv(childVariable) != "" {
		seed, err := seedFromEnvironment(1)
		require.NoError(t, err)
		oddSubtests(t, func(t *testing.T) { fmt.Printf("ran %q with seed %d\n", t.Name(), seed) })
		return
	}
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("it takes a POSIX shell")
	}
	var names, lines []string
	oddSubtests(t, func(t *testing.T) {
		names, lines = append(names, t.Name()), append(lines, rerunLine(t, 7, 0))
	})
	require.Len(t, lines, 14)
	// This process stands for the program that go test would build.
	goTest := regexp.MustCompile(` ` + GoTestCommand() + ` .*-run (.*) -count=1 github\.com/slowpoetry/slowpoetry/simtest$`)
	for i, line := range lines {
		command := goTest.ReplaceAllString(line, ` "$$0" -test.run=${1} -test.count=1`)
		require.NotEqual(t, line, command)
		child := exec.Command(shell, "-c", command, os.Args[0])
		child.Env = append(os.Environ(), childVariable+"=1", "GORACE=atexit_sleep_ms=0")
		output, err := child.CombinedOutput()
		require.NoError(t, err, "%s", output)
		ran, _, _ := strings.Cut(string(output), "PASS\n")
		assert.Equal(t, fmt.Sprintf("ran %q with seed 7\n", names[i]), ran, line)
	}
}

// oddSubtests runs subtests with names that a pattern or a shell could misinterpret,
// some of them in loops and with one name.
func oddSubtests(t *testing.T, f func(t *testing.T)) {
	for _, name := range []string{"five nodes", "a/b", "a|b", "(a", "a]", "[a", `'a' "$HOME"`, `\d\`, "", "é\x00%", "^a.*$"} {
		t.Run(name, f)
	}
	for i := range 3 {
		t.Run("same", func(t *testing.T) {
			if i == 1 {
				t.Run("", f) // within same#01
				return
			}
			f(t)
		})
	}
}

func GoTestCommandLine(t *testing.T) {
	words := []string{"./prog", "-a=b", "it's", "$x", ""}
	assert.Equal(t, `SIMTEST_SEED=0 ./prog -a=b 'it'\''s' '$x' ''`, commandLine("linux", words, "SIMTEST_SEED", "0"))
	assert.Equal(t, `SIMTEST_REPLAY='a b/x.replay' ./prog -a=b 'it'\''s' '$x' ''`, commandLine("linux", words, "SIMTEST_REPLAY", "a b/x.replay"))
	assert.Equal(t, `$env:SIMTEST_REPLAY='a/it''s.replay'; ./prog -a=b 'it''s' '$x' ''`, commandLine("windows", words, "SIMTEST_REPLAY", "a/it's.replay"))
	assert.Equal(t, `$env:SIMTEST_SEED=0; ./prog -a=b 'it''s' '$x' ''`, commandLine("windows", words, "SIMTEST_SEED", "0"))
}

// Build flags that decide which code runs are part of the line.
func TestBuildFlags(t *testing.T) {
	info := &debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "-race", Value: "true"}, {Key: "-tags", Value: "a,b"}, {Key: "-trimpath", Value: "true"}}}
	assert.Equal(t, []string{"-race", "-tags=a,b"}, buildFlags(info))
	assert.Empty(t, buildFlags(&debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "-race", Value: "false"}}}))
}

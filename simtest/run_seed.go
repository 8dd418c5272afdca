package simtest

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// seedVariable is the environment variable that overrides the seed of every simulation
// in a process.
const seedVariable = "SIMTEST_SEED"

// seedFromEnvironment returns the seed of SIMTEST_SEED, or the configured one if that
// is empty or not set.
func seedFromEnvironment(configured uint64) (uint64, error) {
	return parseSeed(os.Getenv(seedVariable), configured)
}

// parseSeed parses SIMTEST_SEED.
func parseSeed(text string, configured uint64) (uint64, error) {
	if text == "" {
		return configured, nil
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("simtest: %s is %q, which is not a seed: set it to a whole number from 0 to %d, or unset it", seedVariable, text, uint64(1<<64-1))
	}
	return seed, nil
}

// rerunText returns a text with the seed and the command line that uses it again.
func rerunText(t *testing.T, seed, schedule uint64) string {
	return fmt.Sprintf("the seed was %d. To run it again:\n%s", seed, rerunLine(t, seed, schedule)) + overlayText(schedule)
}

// rerunText returns a text with the seed or the replay, and the command line that runs it
// again.
func (c *Config) rerunText(t *testing.T) string {
	if c.replay == nil {
		return rerunText(t, c.Seed, c.Schedule)
	}
	line := replayLine(rerunCommand(t), overlaySettings(0), c.replay)
	return fmt.Sprintf("it was the replay %s. To run it again:\n%s", c.replay.name, line) + overlayText(c.Schedule)
}

// rerunLine returns the command line that runs only this test, or the benchmark around
// it, again with a seed:
//
//	SIMTEST_SEED=7 go test -run '^TestElection$/^five_nodes$' -count=1 github.com/x/raft
//
// The line is for a POSIX shell, and on Windows for PowerShell. It works in any
// directory of the module. For a program that is not a test, it is the program's own
// command line.
//
// If the program has no build information, rerunLine finds the package in the
// goroutine's stack, so it must be called by the test's own goroutine.
func rerunLine(t *testing.T, seed, schedule uint64) string {
	return commandLine(runtime.GOOS, rerunCommand(t), append(overlaySettings(schedule), seedVariable, strconv.FormatUint(seed, 10))...)
}

// replayLine returns the command line that runs a replay again, with the layers of the
// overlay that the replay needs.
func replayLine(command, settings []string, r *namedReplay) string {
	var all []string
	short := Overlay().suffice(r.layers) != nil
	for setting := range slices.Chunk(settings, 2) {
		if !short || setting[0] != overlayVariable {
			all = append(all, setting...)
		}
	}
	if short {
		command = append([]string{"slownet"}, command[1:]...)
		if r.layers != (Layers{true, true, true}) {
			all = append(all, overlayVariable, r.layers.String())
		}
	}
	return commandLine(runtime.GOOS, command, append(all, replayVariable, r.name)...)
}

// overlaySettings returns the overlay's variables for a command line, alternating with
// their values.
func overlaySettings(schedule uint64) (settings []string) {
	if text := os.Getenv(overlayVariable); text != "" && text != allLayers {
		settings = append(settings, overlayVariable, text)
	}
	if schedule != 0 {
		settings = append(settings, scheduleVariable, strconv.FormatUint(schedule, 10))
	}
	if text := os.Getenv(freshVariable); text != "" {
		settings = append(settings, freshVariable, text)
	}
	return settings
}

// overlayText says which layers of the overlay were on, if any were.
func overlayText(schedule uint64) string {
	layers := Overlay()
	switch {
	case !layers.On():
		return ""
	case !layers.Order:
		return fmt.Sprintf("\nThe standard library's overlay was on: %v.", layers)
	}
	return fmt.Sprintf("\nThe standard library's overlay was on: %v. The schedule was %d.", layers, schedule)
}

// rerunCommand returns the words of the command line, without the environment variables.
func rerunCommand(t *testing.T) []string {
	if !testing.Testing() {
		return os.Args
	}
	arguments := []string{"go", "test"}
	if layers := Overlay(); layers.On() {
		arguments[0] = "slownet"
	}
	importPath := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		importPath = info.Path
		arguments = append(arguments, buildFlags(info)...)
	} else {
		importPath = testedPackage()
	}
	switch importPath = strings.TrimSuffix(importPath, ".test"); importPath {
	case "", "command-line-arguments": // of files that were named individually
		importPath = "."
	}
	pattern := []string{"-run", runPattern(t.Name())}
	if strings.HasPrefix(t.Name(), "Benchmark") {
		pattern = []string{"-run", "^$", "-bench", runPattern(t.Name())}
	}
	return append(append(arguments, pattern...), "-count=1", importPath)
}

// runPattern returns the pattern for go test's -run that selects the test of that name.
// The pattern and the name are split at slashes and compared piece by piece, even at
// slashes that do not separate a test from its subtest.
func runPattern(name string) string {
	pieces := strings.Split(name, "/")
	for i, piece := range pieces {
		pieces[i] = "^" + regexp.QuoteMeta(piece) + "$"
	}
	return strings.Join(pieces, "/")
}

// buildFlags returns the flags of the program's build that decide which code runs.
func buildFlags(info *debug.BuildInfo) (flags []string) {
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "-race" && setting.Value == "true":
			flags = append(flags, "-race")
		case setting.Key == "-tags":
			flags = append(flags, "-tags="+setting.Value)
		}
	}
	return flags
}

// testedPackage returns the import path of the package whose test is on the stack, or "".
// A test in package y_test is a test of package y.
func testedPackage() string {
	callers := make([]uintptr, 100)
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers)])
	for {
		frame, more := frames.Next()
		if strings.HasSuffix(frame.File, "_test.go") {
			return strings.TrimSuffix(packageOf(frame.Function), "_test")
		}
		if !more {
			return ""
		}
	}
}

// commandLine returns the line for the system's shell that runs a command with
// environment variables: alternating names and values.
func commandLine(system string, arguments []string, settings ...string) string {
	quoted := make([]string, len(arguments))
	for i, argument := range arguments {
		quoted[i] = quote(system, argument)
	}
	var line strings.Builder
	for setting := range slices.Chunk(settings, 2) {
		variable, value := setting[0], setting[1]
		switch {
		case system != "windows":
			fmt.Fprintf(&line, "%s=%s ", variable, quote(system, value))
		case number.MatchString(value):
			fmt.Fprintf(&line, "$env:%s=%s; ", variable, value)
		default:
			fmt.Fprintf(&line, "$env:%s='%s'; ", variable, strings.ReplaceAll(value, "'", "''"))
		}
	}
	return line.String() + strings.Join(quoted, " ")
}

// quote quotes the word for the system's shell.
func quote(system, word string) string {
	if plain.MatchString(word) {
		return word
	}
	if system == "windows" {
		return "'" + strings.ReplaceAll(word, "'", "''") + "'"
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

var (
	plain  = regexp.MustCompile(`^[-+=:,./_0-9A-Za-z]+$`)
	number = regexp.MustCompile(`^[0-9]+$`) // PowerShell accepts it without quotes
)

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// A timing is the time of one iteration of a benchmark, in seconds.
type timing struct {
	processor, real float64
}

// perOp matches the time that a benchmark prints.
var perOp = regexp.MustCompile(`([0-9.]+) ns/op`)

// run runs a benchmark. Its processor time is the whole process's: apart from the
// benchmark, the process uses little.
func (c contender) run(benchmark, times, procs string) (timing, error) {
	n, err := strconv.Atoi(times)
	if err != nil {
		return timing{}, fmt.Errorf("-bench has %q, which is not a number of iterations", times)
	}
	command := exec.Command(c.binary, "-test.run", "^$", "-test.bench", benchmark, "-test.skip", "//floor", "-test.benchtime", times+"x")
	command.Env = append(os.Environ(), "GOMAXPROCS="+procs, "SIMTEST_OVERLAY="+c.layers)
	text, err := command.CombinedOutput()
	if err != nil {
		return timing{}, fmt.Errorf("%s, %s: %w\n%s", c.name, benchmark, err, text)
	}
	found := perOp.FindAllSubmatch(text, -1)
	if len(found) != 1 {
		return timing{}, fmt.Errorf("%s, %s: %d benchmarks ran instead of one\n%s", c.name, benchmark, len(found), text)
	}
	ns, err := strconv.ParseFloat(string(found[0][1]), 64)
	if err != nil {
		return timing{}, err
	}
	state := command.ProcessState
	return timing{(state.UserTime() + state.SystemTime()).Seconds() / float64(n), ns / 1e9}, nil
}

// output runs a command in a folder and returns what it prints.
func output(folder, name string, args ...string) (string, error) {
	command := exec.Command(name, args...)
	command.Dir = folder
	var complaint bytes.Buffer
	command.Stderr = &complaint
	text, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, text, complaint.Bytes())
	}
	return strings.TrimSpace(string(text)), nil
}

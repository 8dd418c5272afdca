package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// runProgram is the program that runs commands on slow networks. It is a separate module,
// as it needs a TCP/IP stack.
const runProgram = "slownet-run"

// execRun replaces this process by runProgram, from the same directory or from PATH. It
// returns only on failure.
func execRun(args []string) error {
	program := ""
	if own, err := os.Executable(); err == nil {
		program = filepath.Join(filepath.Dir(own), runProgram)
	}
	if _, err := os.Stat(program); err != nil {
		if program, err = exec.LookPath(runProgram); err != nil {
			return errors.New(runProgram + " is neither next to slownet nor in PATH: install it with go install -C cmd/slownet-run . in a checkout of github.com/slowpoetry/slowpoetry")
		}
	}
	return fmt.Errorf("%s: %w", program, syscall.Exec(program, append([]string{runProgram}, args...), os.Environ()))
}

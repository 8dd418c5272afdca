package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// runProgram is the program that runs commands on slow networks. It is a module of its own,
// as it needs a TCP/IP stack.
const runProgram = "slownet-run"

// execRun makes this process the program that runs commands, which is beside this one or
// in PATH. It returns if it cannot.
func execRun(args []string) error {
	program := ""
	if own, err := os.Executable(); err == nil {
		program = filepath.Join(filepath.Dir(own), runProgram)
	}
	if _, err := os.Stat(program); err != nil {
		if program, err = exec.LookPath(runProgram); err != nil {
			return errors.New(runProgram + " is neither beside slownet nor in PATH: install it by go install -C cmd/slownet-run . in a checkout of github.com/slowpoetry/slowpoetry")
		}
	}
	return fmt.Errorf("%s: %w", program, syscall.Exec(program, append([]string{runProgram}, args...), os.Environ()))
}

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/slowpoetry/slowpoetry/internal/cli"
)

// The exit statuses of slownet run itself, as env, timeout and docker run use them.
const (
	statusFailed     = 125
	statusNotRunning = 126
	statusNotFound   = 127
)

func init() {
	if os.Args[0] == insideName {
		runtime.LockOSThread() // capabilities belong to a thread
	}
}

func main() {
	if os.Args[0] == insideName {
		os.Exit(runInside(os.Args[1], os.Args[2:]))
	}
	runtime.LockOSThread() // the second process ends with the thread that started it
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run executes the command line, and returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stdout)
	if err != nil {
		if cli.Fail("slownet run", err, stderr) == 0 {
			return 0 // --help
		}
		return statusFailed
	}
	program, err := exec.LookPath(o.command[0])
	if err != nil && !errors.Is(err, exec.ErrDot) {
		status := statusNotRunning
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			status = statusNotFound
		}
		fmt.Fprintf(stderr, "slownet run: %v\n", err)
		return status
	}
	status, err := outside(o, program, stderr)
	if err != nil {
		cli.Fail("slownet run", err, stderr)
		if notStarted := (*notStartedError)(nil); errors.As(err, &notStarted) {
			return statusNotRunning
		}
		return statusFailed
	}
	return leave(status)
}

// leave returns a command's exit status, or 128 plus the number of the signal that ended
// it. A signal that commonly ends commands ends this process, too, so that a shell sees
// it.
func leave(status unix.WaitStatus) int {
	if !status.Signaled() {
		return status.ExitStatus()
	}
	switch sig := status.Signal(); sig {
	case unix.SIGINT, unix.SIGTERM, unix.SIGHUP:
		cli.EndBySignal(sig)
	}
	return 128 + int(status.Signal())
}

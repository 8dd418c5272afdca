//go:build unix

package simtest

import (
	"os"
	"syscall"
	"time"
)

// raise sends the process a signal that is no longer caught, and gives it a moment to
// arrive. If the signal is ignored, the process exits with the exit status that a
// shell uses for the signal.
func raise(sig os.Signal) {
	number := sig.(syscall.Signal)
	if err := syscall.Kill(os.Getpid(), number); err == nil {
		time.Sleep(time.Second)
	}
	os.Exit(128 + int(number))
}

//go:build unix

package cli

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// raise sends the process a signal that is no longer caught, and waits a moment
// for it to arrive.
func raise(sig syscall.Signal) {
	signal.Reset(sig)
	if err := syscall.Kill(os.Getpid(), sig); err == nil {
		time.Sleep(100 * time.Millisecond)
	}
}

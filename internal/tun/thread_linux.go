package tun

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// OnThread calls f on a new thread, which ends after that, whatever namespaces f
// has entered.
func OnThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() { // the process's first thread does not end
			done <- OnThread(f)
			runtime.UnlockOSThread()
			return
		}
		done <- f()
	}()
	return <-done
}

package tun

import "runtime"

// OnThread calls f on a new thread, which ends after that, whatever namespaces f
// has entered.
func OnThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

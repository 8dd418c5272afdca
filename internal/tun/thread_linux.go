package tun

import "runtime"

// OnThread calls f on a thread of its own, which ends with it, whatever namespaces
// it has entered.
func OnThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

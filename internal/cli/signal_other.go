//go:build !unix

package cli

import "syscall"

// raise does nothing: on this system no process dies of a signal.
func raise(syscall.Signal) {}

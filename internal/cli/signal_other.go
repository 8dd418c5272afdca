//go:build !unix

package cli

import "syscall"

// raise does nothing: on this system signals do not end processes.
func raise(syscall.Signal) {}

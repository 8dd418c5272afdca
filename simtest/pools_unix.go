//go:build unix

package simtest

import "syscall"

// quietSignal is a signal that does nothing to a process that does not ask for
// it, and that Go's runtime sends to itself all the time.
const quietSignal = syscall.SIGURG

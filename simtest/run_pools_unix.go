//go:build unix

package simtest

import "syscall"

// quietSignal is a signal that a process ignores by default, and that Go's
// runtime sends to itself all the time.
const quietSignal = syscall.SIGURG

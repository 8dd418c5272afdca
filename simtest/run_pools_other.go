//go:build !unix

package simtest

import "syscall"

// quietSignal is a rare signal.
const quietSignal = syscall.SIGTERM

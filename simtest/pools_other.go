//go:build !unix

package simtest

import "syscall"

// quietSignal is a signal that comes seldom.
const quietSignal = syscall.SIGTERM

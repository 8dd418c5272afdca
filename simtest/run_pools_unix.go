//go:build unix

package simtest

import "syscall"

// quietSignal is a signal that processes ignore by default. Go's runtime often
// sends it to its own process.
const quietSignal = syscall.SIGURG

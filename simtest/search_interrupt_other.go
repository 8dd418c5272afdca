//go:build !unix

package simtest

import "os"

// raise does nothing: the process cannot send itself a signal.
func raise(os.Signal) {}

//go:build !windows

package cli

import "os"

// EnableANSI makes a terminal obey escape sequences, and reports whether it does:
// all do but those that call themselves dumb.
func EnableANSI(*os.File) bool { return os.Getenv("TERM") != "dumb" }

//go:build !windows

package cli

import "os"

// EnableANSI makes a terminal interpret escape sequences, and reports whether it
// does. On this system all terminals do, unless TERM is dumb.
func EnableANSI(*os.File) bool { return os.Getenv("TERM") != "dumb" }

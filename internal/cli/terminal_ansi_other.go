//go:build !windows

package cli

import "os"

// EnableANSI makes a terminal interpret escape sequences, and reports whether it
// does. All do, except those with TERM=dumb.
func EnableANSI(*os.File) bool { return os.Getenv("TERM") != "dumb" }

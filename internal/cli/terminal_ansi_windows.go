package cli

import (
	"os"

	"golang.org/x/sys/windows"
)

// EnableANSI makes a terminal interpret escape sequences, and reports whether it does.
func EnableANSI(terminal *os.File) bool {
	handle := windows.Handle(terminal.Fd())
	var mode uint32
	if err := windows.GetConsoleMode(handle, &mode); err != nil {
		return false
	}
	return windows.SetConsoleMode(handle, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}

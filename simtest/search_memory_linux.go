package simtest

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// residentMemory returns a process's resident memory in bytes, or 0 if it is unknown.
// The parent calls it for its workers.
func residentMemory(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}

// watchOwnMemory does nothing: the parent watches its workers.
func watchOwnMemory(int64) {}

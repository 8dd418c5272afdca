//go:build !unix && !windows

package simtest

import (
	"errors"
	"os"
	"os/exec"
)

// There are no workers here: everything runs in the test's own process.

func inheritedFile(uintptr) *os.File { return nil }

func inherit(*exec.Cmd, *os.File, *os.File) (fromNumber, toNumber uintptr, err error) {
	return 0, 0, errors.ErrUnsupported
}

func setApart(*exec.Cmd)                   {}
func dumpAndEnd(*os.Process)               {}
func kill(process *os.Process)             { _ = process.Kill() }
func killedByOthers(*os.ProcessState) bool { return false }

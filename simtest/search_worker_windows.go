package simtest

import (
	"os"
	"os/exec"
	"syscall"
)

// inheritedFile returns a file that the process has from its parent, by handle. Its
// own children do not get it.
func inheritedFile(number uintptr) *os.File {
	_ = syscall.SetHandleInformation(syscall.Handle(number), syscall.HANDLE_FLAG_INHERIT, 0)
	return os.NewFile(number, "the search")
}

// inherit has a process get two files, and returns their handles, which are the same
// there.
func inherit(command *exec.Cmd, from, to *os.File) (fromNumber, toNumber uintptr, err error) {
	for _, file := range []*os.File{from, to} {
		handle := syscall.Handle(file.Fd())
		if err := syscall.SetHandleInformation(handle, syscall.HANDLE_FLAG_INHERIT, syscall.HANDLE_FLAG_INHERIT); err != nil {
			return 0, 0, err
		}
		command.SysProcAttr.AdditionalInheritedHandles = append(command.SysProcAttr.AdditionalInheritedHandles, handle)
	}
	return from.Fd(), to.Fd(), nil
}

// setApart has a process start a group of its own, which Ctrl-C does not reach.
func setApart(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// dumpAndEnd does nothing: no process can be asked for its goroutines there.
func dumpAndEnd(*os.Process) {}

// kill ends a process.
func kill(process *os.Process) { _ = process.Kill() }

// killedByOthers returns false: it cannot be told how a process has ended.
func killedByOthers(*os.ProcessState) bool { return false }

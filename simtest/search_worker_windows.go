package simtest

import (
	"os"
	"os/exec"
	"syscall"
)

// inheritedFile returns a file inherited from the parent, by handle. Children of the
// process do not inherit it.
func inheritedFile(number uintptr) *os.File {
	_ = syscall.SetHandleInformation(syscall.Handle(number), syscall.HANDLE_FLAG_INHERIT, 0)
	return os.NewFile(number, "the search")
}

// inherit passes two files to a process, and returns their handles, which are the same
// in that process.
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

// setApart starts a process in a process group of its own, which Ctrl-C does not reach.
func setApart(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// dumpAndEnd does nothing: a process cannot be asked for its goroutines here.
func dumpAndEnd(*os.Process) {}

// kill ends a process.
func kill(process *os.Process) { _ = process.Kill() }

// killedByOthers returns false: the way in which a process ended is unknown.
func killedByOthers(*os.ProcessState) bool { return false }

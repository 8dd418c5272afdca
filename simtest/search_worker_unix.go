//go:build unix

package simtest

import (
	"os"
	"os/exec"
	"syscall"
)

// inheritedFile returns a file that the process has from its parent, by number. Its
// own children do not get it. It does not block, so the runtime's poller waits for it:
// a system call that blocks keeps the only processor of a worker until the runtime
// takes it away, a tenth of the time with the poetry experiment.
func inheritedFile(number uintptr) *os.File {
	syscall.CloseOnExec(int(number))
	_ = syscall.SetNonblock(int(number), true)
	return os.NewFile(number, "the search")
}

// inherit has a process get two files, and returns their numbers there.
func inherit(command *exec.Cmd, from, to *os.File) (fromNumber, toNumber uintptr, err error) {
	command.ExtraFiles = []*os.File{from, to}
	return 3, 4, nil
}

// setApart has a process start a group of its own, which Ctrl-C does not reach.
func setApart(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

// dumpAndEnd asks a process to print its goroutines and to end.
func dumpAndEnd(process *os.Process) { _ = process.Signal(syscall.SIGQUIT) }

// kill ends a process and those that it has started.
func kill(process *os.Process) { _ = syscall.Kill(-process.Pid, syscall.SIGKILL) }

// killedByOthers reports whether a process that nobody here has killed was killed
// all the same: by a person, or by the system for want of memory.
func killedByOthers(state *os.ProcessState) bool {
	status, ok := state.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && (status.Signal() == syscall.SIGKILL || status.Signal() == syscall.SIGTERM)
}

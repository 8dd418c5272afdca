//go:build unix

package simtest

import (
	"os"
	"os/exec"
	"syscall"
)

// inheritedFile returns a file inherited from the parent, by number. Children of the
// process do not inherit it. It is non-blocking, so the runtime's poller waits for it:
// a blocking system call would occupy the worker's only processor until the runtime
// takes the processor away, which cost a tenth of the time in the poetry experiment.
func inheritedFile(number uintptr) *os.File {
	syscall.CloseOnExec(int(number))
	_ = syscall.SetNonblock(int(number), true)
	return os.NewFile(number, "the search")
}

// inherit passes two files to a process, and returns their numbers there.
func inherit(command *exec.Cmd, from, to *os.File) (fromNumber, toNumber uintptr, err error) {
	command.ExtraFiles = []*os.File{from, to}
	return 3, 4, nil
}

// setApart starts a process in a process group of its own, which Ctrl-C does not reach.
func setApart(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

// dumpAndEnd asks a process to print its goroutines and to end.
func dumpAndEnd(process *os.Process) { _ = process.Signal(syscall.SIGQUIT) }

// kill ends a process and its children.
func kill(process *os.Process) { _ = syscall.Kill(-process.Pid, syscall.SIGKILL) }

// killedByOthers reports whether a process was killed from outside: by a person, or by
// the system when memory ran out.
func killedByOthers(state *os.ProcessState) bool {
	status, ok := state.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && (status.Signal() == syscall.SIGKILL || status.Signal() == syscall.SIGTERM)
}

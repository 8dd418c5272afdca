package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// outside is the first process. It starts the second one, carries the command's packets,
// and returns the command's wait status.
func outside(o *options, program string, stderr io.Writer) (unix.WaitStatus, error) {
	signals := notify() // before there is a process to pass them on to
	child, inner, err := startInside(o.command)
	if err != nil {
		return 0, explain(makeNamespaces, err)
	}
	defer func() {
		_ = unix.Close(int(inner)) // this ends the second process
		_ = child.Wait()
	}()
	start := &inside{Program: program, MTU: mtuOf(o.profile), IPv6: hostHasIPv6(), PingGroups: pingGroups()}
	if err := inner.send(message{Start: start}); err != nil {
		return 0, err
	}
	m, device, err := inner.receive()
	switch {
	case err != nil:
		return 0, explain(makeNamespaces, fmt.Errorf("the process in the namespaces has ended: %w", err))
	case m.Failed != "":
		return 0, explain(m.Step, m.err())
	}
	defer unix.Close(device)
	if m.Warning != "" {
		fmt.Fprintln(stderr, "slownet run:", m.Warning)
	}
	n, err := newNetwork(o, start, device, stderr)
	if err != nil {
		return 0, err
	}
	defer n.close()
	if err := inner.send(message{Run: true}); err != nil {
		return 0, err
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case s := <-signals:
				_ = inner.send(message{Signal: s.(unix.Signal)})
			case <-done:
				return
			}
		}
	}()
	m, _, err = inner.receive()
	switch {
	case err != nil:
		return 0, fmt.Errorf("the process in the namespaces has ended: %w", err)
	case m.Ended == nil:
		return 0, &notStartedError{m.Failed}
	}
	n.drain(m.Drained)
	return *m.Ended, nil
}

// A notStartedError is the reason why a command was not started.
type notStartedError struct{ text string }

// Error returns the reason.
func (e *notStartedError) Error() string { return e.text }

// startInside starts the second process in namespaces of its own.
func startInside(command []string) (child *exec.Cmd, ours socket, err error) {
	ends, err := sockets()
	if err != nil {
		return nil, 0, fmt.Errorf("a socket: %w", err)
	}
	ours, theirs := ends[0], ends[1]
	defer unix.Close(int(theirs))
	// The number of the socket does not change: the command inherits the files of this
	// process.
	if _, err := unix.FcntlInt(uintptr(theirs), unix.F_SETFD, 0); err != nil {
		return nil, 0, err
	}
	uids, gids, setgroups := idMappings()
	child = &exec.Cmd{
		Path:   "/proc/self/exe",
		Args:   append([]string{insideName, strconv.Itoa(int(theirs))}, command...),
		Stdin:  os.Stdin,
		Stdout: os.Stdout,
		Stderr: os.Stderr,
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags:                 unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID,
			UidMappings:                uids,
			GidMappings:                gids,
			GidMappingsEnableSetgroups: setgroups,
			AmbientCaps:                []uintptr{unix.CAP_NET_ADMIN, unix.CAP_SYS_ADMIN},
			Pdeathsig:                  unix.SIGKILL,
		},
	}
	if err := child.Start(); err != nil {
		_ = unix.Close(int(ours))
		return nil, 0, err
	}
	return child, ours, nil
}

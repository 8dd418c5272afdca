package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/slowpoetry/slowpoetry/internal/tun"
)

// insideName is the name under which the second process is started. Its arguments are
// the number of its socket, and the command.
const insideName = "slownet-run-inside"

// runInside is the second process. It creates the network, starts the command, and
// returns when the command or the first process has ended. Its exit status is not used.
func runInside(number string, command []string) int {
	fd, err := strconv.Atoi(number)
	if err != nil {
		return statusFailed
	}
	outside := socket(fd)
	unix.CloseOnExec(fd)
	received := newReceived()
	m, _, err := outside.receive()
	if err != nil || m.Start == nil {
		return statusFailed
	}
	if at, err := prepare(m.Start, outside); err != nil {
		_ = outside.send(failure(at, err))
		return statusFailed
	}
	program := m.Start.Program
	if m, _, err := outside.receive(); err != nil || !m.Run {
		return statusFailed
	}
	files := []uintptr{0, 1, 2}
	pid, err := syscall.ForkExec(program, command, &syscall.ProcAttr{Env: os.Environ(), Files: files})
	if err != nil {
		_ = outside.send(message{Failed: program + ": " + err.Error(), Step: startCommand})
		return statusFailed
	}
	received.sendAgain(func(s unix.Signal) { _ = unix.Kill(pid, s) })
	ended := make(chan struct{}, 2)
	go func() {
		status := wait(pid)
		_ = outside.send(message{Ended: status, Drained: drain(received)})
		ended <- struct{}{}
	}()
	go func() {
		for {
			m, _, err := outside.receive()
			if err != nil {
				break
			}
			received.pass(m.Signal, func() { _ = unix.Kill(pid, m.Signal) })
		}
		ended <- struct{}{}
	}()
	<-ended
	return 0
}

// wait waits for a process, and reaps all other processes that lost their parent
// meanwhile.
func wait(pid int) *unix.WaitStatus {
	for {
		var status unix.WaitStatus
		if ended, err := unix.Wait4(-1, &status, 0, nil); err == unix.ECHILD || ended == pid {
			return &status
		}
	}
}

// prepare creates the network and the mounts, drops the capabilities that the command would
// inherit, and hands over the device. On failure it returns the step.
func prepare(i *inside, outside socket) (step, error) {
	device, err := tun.Open(deviceName)
	if err != nil {
		return openDevice, err
	}
	if err := configureNetwork(i); err != nil {
		return makeNetwork, err
	}
	warning, err := mountAll()
	if err != nil {
		return mountFiles, err
	}
	if err := dropCapabilities(); err != nil {
		return makeNamespaces, fmt.Errorf("drop capabilities: %w", err)
	}
	if err := outside.send(message{Ready: true, Warning: warning}, device); err != nil {
		return openDevice, err
	}
	return 0, unix.Close(device)
}

// dropCapabilities removes the thread's inheritable capabilities, which this process was
// given for itself. Programs of root have capabilities in the namespace, others have
// none. A capability that is not inheritable is not ambient either.
func dropCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return err
	}
	sets[0].Inheritable, sets[1].Inheritable = 0, 0
	return unix.Capset(&header, &sets[0])
}

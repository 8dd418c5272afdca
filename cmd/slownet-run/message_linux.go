package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// A message is sent by one of the two processes to the other.
type message struct {
	// Sent by the first process:
	Start  *inside     `json:",omitempty"` // what to do; always the first message
	Run    bool        `json:",omitempty"` // the path is ready: start the command
	Signal unix.Signal `json:",omitempty"` // a signal that the first process received

	// Sent by the second process:
	Ready   bool             `json:",omitempty"` // the namespace is ready; the device comes with it
	Failed  string           `json:",omitempty"` // the error of a step that failed
	Errno   unix.Errno       `json:",omitempty"` // the error number, if there is one
	Step    step             `json:",omitempty"` // the failed step
	Warning string           `json:",omitempty"` // something missing that is not required
	Ended   *unix.WaitStatus `json:",omitempty"` // the command's status
	Drained bool             `json:",omitempty"` // the kernel has delivered remaining data of the command
}

// An inside tells the second process what to set up. The command is in its arguments.
type inside struct {
	Program    string // the path of the command's program
	MTU        int
	IPv6       bool
	PingGroups string // the range of groups that may ping
}

// A step is a part of the start that a system may not allow.
type step int

const (
	makeNamespaces step = iota + 1 // the user namespace and the others
	openDevice                     // the TUN device
	makeNetwork                    // its addresses and routes
	mountFiles
	startCommand
)

// failure returns the message for an error.
func failure(at step, err error) message {
	m := message{Failed: err.Error(), Step: at}
	_ = errors.As(err, &m.Errno)
	return m
}

// A failedError is an error of the second process.
type failedError struct {
	text  string
	errno unix.Errno
}

// Error returns the error's text.
func (e *failedError) Error() string { return e.text }

// Unwrap returns the system's error.
func (e *failedError) Unwrap() error { return e.errno }

// err returns the message's error.
func (m message) err() error { return &failedError{m.Failed, m.Errno} }

// A socket is an end of the connection between the two processes.
type socket int

// sockets returns both ends, which are closed on exec.
func sockets() (ends [2]socket, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	return [2]socket{socket(pair[0]), socket(pair[1])}, err
}

// send sends a message, with files.
func (s socket) send(m message, files ...int) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	var rights []byte
	if len(files) > 0 {
		rights = unix.UnixRights(files...)
	}
	return unix.Sendmsg(int(s), data, rights, nil, unix.MSG_NOSIGNAL)
}

// maxMessage is the maximum size of a message.
const maxMessage = 32 << 10

// receive waits for a message, and returns the file that came with it, or -1. It
// returns io.EOF when the other process has ended.
func (s socket) receive() (m message, file int, err error) {
	buffer := make([]byte, maxMessage)
	rights := make([]byte, unix.CmsgSpace(4))
	var n, rn int
	for {
		n, rn, _, _, err = unix.Recvmsg(int(s), buffer, rights, unix.MSG_CMSG_CLOEXEC)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	switch {
	case err != nil:
		return m, -1, err
	case n == 0:
		return m, -1, io.EOF
	}
	if err := json.Unmarshal(buffer[:n], &m); err != nil {
		return m, -1, fmt.Errorf("a message between processes: %w", err)
	}
	file = -1
	if parts, err := unix.ParseSocketControlMessage(rights[:rn]); err == nil && len(parts) == 1 {
		if files, err := unix.ParseUnixRights(&parts[0]); err == nil && len(files) == 1 {
			file = files[0]
		}
	}
	return m, file, nil
}

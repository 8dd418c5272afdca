//go:build unix

// Command pollpoetry gets poems from slow servers, all at once, with a loop of its own
// around poll(2). The tutorial shows it.
//
//	go run ./docs/tutorial/pollpoetry PORT...
package main

import (
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	start := time.Now()
	if err := getPoetry(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pollpoetry:", err)
		os.Exit(1)
	}
	fmt.Printf("Got %d poems in %v\n", len(os.Args)-1, time.Since(start))
}

// getPoetry gets the poems of the servers on the ports of this machine.
func getPoetry(ports []string) error {
	poems := make([][]byte, len(ports))
	sockets := make([]unix.PollFd, len(ports))
	for i, port := range ports {
		socket, err := connect(port)
		if err != nil {
			return fmt.Errorf("task %d: %w", i+1, err)
		}
		sockets[i] = unix.PollFd{Fd: int32(socket), Events: unix.POLLIN}
	}
	for open := len(sockets); open > 0; {
		if _, err := unix.Poll(sockets, -1); err == unix.EINTR {
			continue // by a signal
		} else if err != nil {
			return err
		}
		for i := range sockets {
			if sockets[i].Revents == 0 {
				continue // nothing to read, or closed
			}
			text, end, err := readAvailable(int(sockets[i].Fd))
			if err != nil {
				return fmt.Errorf("task %d: %w", i+1, err)
			}
			poems[i] = append(poems[i], text...)
			if len(text) > 0 {
				fmt.Printf("Task %d: got %d bytes of poetry from 127.0.0.1:%s\n", i+1, len(text), ports[i])
			}
			if end {
				_ = unix.Close(int(sockets[i].Fd))
				sockets[i].Fd = -1 // which poll leaves out
				open--
			}
		}
	}
	for i, poem := range poems {
		fmt.Printf("Task %d: %d bytes of poetry\n", i+1, len(poem))
	}
	return nil
}

// readAvailable reads all that a socket has now, and reports whether that is the end.
func readAvailable(socket int) (text []byte, end bool, err error) {
	buffer := make([]byte, 1024)
	for {
		n, err := unix.Read(socket, buffer)
		switch {
		case err == unix.EAGAIN:
			return text, false, nil // it would block
		case err == unix.EINTR:
		case err != nil:
			return text, false, err
		case n == 0:
			return text, true, nil
		default:
			text = append(text, buffer[:n]...)
		}
	}
}

// connect returns a socket that is connected to a port of this machine and does not
// block from then on.
func connect(port string) (socket int, err error) {
	address, err := net.ResolveTCPAddr("tcp4", "127.0.0.1:"+port)
	if err != nil {
		return 0, err
	}
	socket, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return 0, err
	}
	if err := unix.Connect(socket, &unix.SockaddrInet4{Port: address.Port, Addr: [4]byte(address.IP.To4())}); err != nil {
		_ = unix.Close(socket)
		return 0, err
	}
	return socket, unix.SetNonblock(socket, true)
}

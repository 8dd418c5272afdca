//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyHangup sends SIGHUP to a channel.
func notifyHangup(to chan<- os.Signal) { signal.Notify(to, syscall.SIGHUP) }

// ignorePipe lets the proxy go on when nobody reads its lines.
func ignorePipe() { signal.Ignore(syscall.SIGPIPE) }

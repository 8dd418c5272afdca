//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyHangup sends SIGHUP to a channel.
func notifyHangup(to chan<- os.Signal) { signal.Notify(to, syscall.SIGHUP) }

// ignorePipe makes the proxy continue when nothing reads its log.
func ignorePipe() { signal.Ignore(syscall.SIGPIPE) }

//go:build !linux

package main

import (
	"errors"
	"runtime"
)

// execRun fails: this system has no namespaces.
func execRun([]string) error {
	return errors.New("it needs Linux namespaces, and this is " + runtime.GOOS + ": run it in a Linux machine or container")
}

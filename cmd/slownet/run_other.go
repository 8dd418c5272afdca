//go:build !linux

package main

import (
	"errors"
	"runtime"
)

// execRun fails: there are no namespaces.
func execRun([]string) error {
	return errors.New("it needs Linux, whose namespaces it uses; this is " + runtime.GOOS + ": run it in a Linux machine or container")
}

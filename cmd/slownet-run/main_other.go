//go:build !linux

package main

import (
	"errors"
	"os"
	"runtime"

	"github.com/slowpoetry/slowpoetry/internal/cli"
)

func main() {
	err := errors.New("slownet run needs Linux namespaces, and this is " + runtime.GOOS + ": run it in a Linux machine or container")
	os.Exit(cli.Fail("slownet run", err, os.Stderr))
}

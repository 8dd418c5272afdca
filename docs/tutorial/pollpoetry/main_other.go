//go:build !unix

// Command pollpoetry needs poll(2), which this system does not have.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "pollpoetry: needs poll, which only Unix systems have: get-poetry --async works here")
	os.Exit(1)
}

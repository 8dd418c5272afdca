//go:build race

package main

// buildFlags are the flags for building the tested program: with the race detector, as
// the test.
var buildFlags = []string{"-race"}

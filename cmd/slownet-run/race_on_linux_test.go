//go:build race

package main

// buildFlags are the flags for building the program under test, which uses the race
// detector if the test does.
var buildFlags = []string{"-race"}

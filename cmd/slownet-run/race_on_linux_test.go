//go:build race

package main

// buildFlags are those of the program that is tested: with the race detector, as the test.
var buildFlags = []string{"-race"}

//go:build !race

package main

// buildFlags are the flags for building the tested program.
var buildFlags []string

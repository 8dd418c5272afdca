//go:build !race

package main

// buildFlags are those of the program that is tested.
var buildFlags []string

// Package overlay creates an overlay of the standard library for go's flag
// -overlay. With it, package simtest controls what the runtime leaves to chance,
// and the network that the net package uses.
//
// An overlay is a set of edits. An [edit] names a function of the standard
// library and a place in it, which is found in the function's syntax: its
// beginning, or a call that it makes. The project contains none of Go's text.
// Each edit is made within a line, so that all lines of the standard library
// keep their numbers. It is a call of a function in one of the files that the
// overlay adds, which are in the directory std.
//
// A version of Go is known if the edits were tested with exactly this text of each edited
// function; known.txt contains the hashes of the texts.
package overlay

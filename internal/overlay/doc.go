// Package overlay makes an overlay of the standard library for go's flag
// -overlay, with which package simtest controls what the runtime leaves to
// chance, and the network that the net package uses.
//
// An overlay is a set of edits. An [edit] names a function of the standard
// library and a place in it, which is found in the function's syntax: its
// beginning, or a call that it makes. The project has none of Go's text. Each
// edit stands in the line that it was made in, so that all lines of the standard
// library keep their numbers, and is a call of a function in one of the files
// that the overlay adds, which are in the folder std.
//
// A version of Go is known if the text of each edited function is one that the
// edits were tested with; see known.txt, which has hashes of them.
package overlay

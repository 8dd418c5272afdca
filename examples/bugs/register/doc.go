// Package register is a register that three nodes replicate, after Attiya, Bar-Noy
// and Dolev, "Sharing Memory Robustly in Message-Passing Systems" (JACM 42, 1995).
// It has one writer, which numbers its values and gives each to a majority. A read
// asks a majority and returns the newest value that it has found.
//
// That is not enough. While a write is under way, or after it has failed, its value
// may be on one node alone. A read that asks this node returns it, and a later read
// that asks the two others returns the value before. So a read has to write back
// what it returns.
package register

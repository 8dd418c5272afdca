// Package register implements a register that three nodes replicate, after Attiya,
// Bar-Noy and Dolev, "Sharing Memory Robustly in Message-Passing Systems" (JACM 42,
// 1995). It has one writer, which numbers its values and sends each to a majority. A
// read asks a majority and returns the newest value that it finds.
//
// Such a read is not enough. While a write is in progress, or after it has failed, its
// value may be on one node only. A read that asks this node returns that value, and a
// later read that asks the two others returns the previous value. So a read must write
// back the value that it returns.
package register

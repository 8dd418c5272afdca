// Package prefetch brings memory into the processor's cache before it is needed.
//
// A simulation with thousands of connections waits for memory most of the time: the
// state of a connection, and the stack of the goroutine that reads from it, have left the
// cache when their turn comes again. A loop that knows whose turn comes next prefetches
// them a few turns ahead.
//
// Prefetching is a hint. It never faults, whatever the address is, and the race detector
// does not see it. On processors other than amd64 and arm64 it does nothing.
package prefetch

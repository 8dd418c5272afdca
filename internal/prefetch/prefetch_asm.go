//go:build amd64 || arm64

package prefetch

// lines prefetches the cache lines of size bytes from an address on.
//
//go:noescape
func lines(address, size uintptr)

// current returns the address of the runtime's g, and one in the caller's frame.
func current() (descriptor, stack uintptr)

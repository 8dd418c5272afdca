//go:build amd64 || arm64

package prefetch

// lines prefetches the cache lines that hold size bytes, starting at address.
//
//go:noescape
func lines(address, size uintptr)

// current returns the address of the runtime's g, and an address just below the frames of
// its Go callers.
func current() (descriptor, stack uintptr)

package prefetch

// Memory prefetches size bytes of memory, starting at address.
func Memory(address, size uintptr) { lines(address, size) }

// A Goroutine records where the runtime keeps the state of a goroutine. It holds addresses,
// not pointers: it keeps nothing alive, and becomes outdated when the stack moves.
type Goroutine struct {
	descriptor uintptr // the runtime's g
	stack      uintptr // an address just below the frame of the caller of Current
}

// The memory that a goroutine uses first when it continues after waiting, in bytes. More
// was measured not to help.
const (
	descriptorSize = 448
	calleeFrames   = 256 // the frames of the functions in which it waits
	callerFrames   = 704 // the frames to which it returns
)

// Current returns the calling goroutine.
func Current() Goroutine {
	descriptor, stack := current()
	return Goroutine{descriptor, stack}
}

// Prefetch prefetches what the goroutine will use first when it continues. The goroutine
// must be waiting in a function called by the caller of Current; otherwise the prefetched
// memory is of no use.
func (g Goroutine) Prefetch() {
	lines(g.descriptor, descriptorSize)
	lines(g.stack-calleeFrames, calleeFrames+callerFrames)
}

package testnet

import "runtime"

// InUse returns the number of bytes in use, on the heap and in stacks, and the
// number of goroutines.
func InUse() (memory int64, goroutines int) {
	runtime.GC()
	runtime.GC() // for memory that the first one has freed
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc + stats.StackInuse), runtime.NumGoroutine()
}

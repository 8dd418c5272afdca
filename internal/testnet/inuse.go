package testnet

import "runtime"

// InUse returns the number of bytes in use, on the heap and in stacks together,
// and the number of goroutines.
func InUse() (memory int64, goroutines int) {
	runtime.GC()
	runtime.GC() // frees the memory that pools and finalizers kept alive during the first collection
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc + stats.StackInuse), runtime.NumGoroutine()
}

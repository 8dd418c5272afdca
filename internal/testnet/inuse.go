package testnet

import "runtime"

// InUse returns how many bytes are in use, on the heap and in stacks, and how
// many goroutines there are.
func InUse() (memory int64, goroutines int) {
	runtime.GC()
	runtime.GC() // what the first one has freed
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc + stats.StackInuse), runtime.NumGoroutine()
}

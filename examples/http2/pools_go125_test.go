//go:build !go1.26

package http2

import "runtime"

// emptyPools has the garbage collector empty all sync.Pools, which takes it two
// turns. Before Go 1.26 net/http kept channels in one, and those of one
// simulation must not be used in the next.
func emptyPools() {
	runtime.GC()
	runtime.GC()
}

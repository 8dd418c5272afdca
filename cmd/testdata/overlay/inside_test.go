package outside

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// A goroutine that waits for something that another one of its simulation does, gives its
// turn away at once, rather than lose it after a while: when it closes a file that the other
// one reads, and when the other one holds a mutex for which a writer outside waits, or has
// been woken to take it. Time goes on meanwhile.
func TestHeldInside(t *testing.T) {
	needOverlay(t)
	for range 100 {
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			defer checkLost(t, 0)
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			var all sync.WaitGroup
			all.Go(func() { r.Read(make([]byte, 1)) })
			for range 10 {
				runtime.Gosched()
			}
			r.Close()
			all.Wait()
		})
		var mu sync.RWMutex
		var held atomic.Bool
		writer := func() {
			until(held.Load)
			mu.Lock()
			mu.Unlock()
		}
		awaitWriter := func() {
			held.Store(true)
			until(func() bool {
				if mu.TryRLock() {
					mu.RUnlock()
					return false
				}
				return true
			})
		}
		go writer()
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			defer checkLost(t, 0)
			mu.RLock()
			awaitWriter()
			var all sync.WaitGroup
			all.Go(func() { mu.RLock(); mu.RUnlock() })
			all.Go(func() { mu.Lock(); mu.Unlock() })
			time.Sleep(time.Second)
			mu.RUnlock()
			all.Wait()
		})
		held.Store(false)
		go writer()
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			defer checkLost(t, 0)
			mu.Lock()
			var all sync.WaitGroup
			all.Go(func() { mu.RLock(); mu.RUnlock() })
			time.Sleep(time.Second)
			mu.Unlock() // wakes the reader, which does not run yet
			awaitWriter()
			mu.Lock() // after the writer, which waits for the reader
			mu.Unlock()
			all.Wait()
		})
	}
}

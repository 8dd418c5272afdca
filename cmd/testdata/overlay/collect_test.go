package outside

import (
	"io"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// A collection that the program asks for does not change the schedule, however much it has
// to sweep.
func TestCollectShiftsNothing(t *testing.T) {
	needOverlay(t)
	orders := make(map[string]int)
	for i := range 20 {
		garbage := make([][]byte, 200*i)
		for j := range garbage {
			garbage[j] = make([]byte, 100*(j%50))
		}
		var order ordered
		simtest.Config{Schedule: 1}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			var all sync.WaitGroup
			for _, name := range []string{"a", "b", "c"} {
				all.Go(func() {
					for range 1000 {
						order.add(name)
						runtime.Gosched()
					}
				})
			}
			runtime.GC()
			order.add("G")
			all.Wait()
			checkLost(t, 0)
		})
		orders[order.text]++
	}
	if len(orders) != 1 {
		t.Errorf("there are %d orders, not 1", len(orders))
	}
}

// Goroutines of a simulation that need the runtime's semaphores, some of them because an
// allocation starts a collection, do not wait for each other forever.
func TestCollectInside(t *testing.T) {
	for schedule := range uint64(10) {
		simtest.Config{Schedule: schedule}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			var all sync.WaitGroup
			var allocated atomic.Pointer[[1 << 20]byte]
			for range 6 {
				all.Go(func() {
					for range 5 {
						runtime.GC()
						var stats runtime.MemStats
						runtime.ReadMemStats(&stats)
						for _, profile := range []string{"goroutine", "heap"} {
							if err := pprof.Lookup(profile).WriteTo(io.Discard, 0); err != nil {
								t.Error(err)
							}
						}
						debug.SetGCPercent(100)
						for range 4 {
							allocated.Store(new([1 << 20]byte))
						}
						time.Sleep(time.Microsecond)
					}
				})
			}
			all.Wait()
		})
	}
}

package outside

import (
	"os"
	"sync"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// A mutex that is held outside for 50 ms stops time, in each of 100 simulations.
func TestHeldOutside(t *testing.T) {
	for range 100 {
		var mu sync.Mutex
		mu.Lock()
		go func() {
			time.Sleep(50 * time.Millisecond)
			mu.Unlock()
		}()
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			mu.Lock()
			if sim.Elapsed() != 0 {
				t.Errorf("%v have passed", sim.Elapsed())
			}
			mu.Unlock()
		})
	}
}

// A mutex that is held forever is reported, and ends the simulation.
func TestHeldForEver(t *testing.T) {
	if os.Getenv("HELD") == "" {
		t.Skip("this fails")
	}
	var mu sync.Mutex
	mu.Lock()
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		go func() { time.Sleep(time.Hour) }()
		mu.Lock()
	})
}

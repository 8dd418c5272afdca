package outside

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// A goroutine that waits for a mutex that is held outside keeps the turn for a second, or
// for 10 ms if another one of its simulation holds a mutex. After each wait of a second in
// vain, later ones are half as long.
func TestTurnIsLost(t *testing.T) {
	needOverlay(t)

	// The holder is in no hurry, and waits for nobody.
	for name, busy := range map[string]func(t *testing.T) (end func()){
		"nothing is held": func(*testing.T) func() { return func() {} },
		"the waiting goroutine holds a mutex": func(*testing.T) func() {
			var own sync.RWMutex
			own.RLock()
			return own.RUnlock
		},
		"a mutex was held": func(*testing.T) func() {
			var all sync.WaitGroup
			var once sync.Once
			var mu sync.RWMutex
			all.Go(func() { once.Do(func() { mu.Lock() }); mu.Unlock() })
			all.Go(func() { mu.RLock(); mu.TryRLock(); mu.RUnlock(); mu.RUnlock() })
			all.Wait()
			return func() {}
		},
		"the waiting goroutine unlocked another one's mutex": func(*testing.T) func() {
			var mu sync.Mutex
			var all sync.WaitGroup
			all.Go(mu.Lock)
			all.Wait()
			mu.Unlock()
			return func() {}
		},
		"a file is being read": func(t *testing.T) func() {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			go r.Read(make([]byte, 1))
			for range 10 {
				runtime.Gosched()
			}
			return func() { w.Close(); r.Close() }
		},
	} {
		var mu sync.Mutex
		mu.Lock()
		time.AfterFunc(100*time.Millisecond, mu.Unlock)
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			end := busy(t)
			start := turns(t)
			go func() {}() // waits for the turn
			mu.Lock()
			if ran := turns(t).turns - start.turns; ran != 0 {
				t.Errorf("%s: %d turns of others", name, ran)
			}
			mu.Unlock()
			end()
			checkLost(t, 0)
		})
	}

	// The holder waits for another goroutine of the simulation, which holds a mutex.
	start := time.Now()
	for range 5 {
		var outer, inner sync.Mutex
		var held atomic.Bool
		outer.Lock()
		go func() {
			until(held.Load)
			inner.Lock()
			inner.Unlock()
			outer.Unlock()
		}()
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			defer checkLost(t, 1)
			var all sync.WaitGroup
			all.Go(func() {
				inner.Lock()
				held.Store(true)
				runtime.Gosched()
				inner.Unlock()
			})
			runtime.Gosched()
			outer.Lock()
			outer.Unlock()
			all.Wait()
		})
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("five waits that should take 10 ms each took %v", took)
	}

	// The holder is outside, but a goroutine of the simulation unlocks the mutex. There
	// have been no vain waits of a second.
	start = time.Now()
	for i := range 10 {
		start := time.Now()
		var mu sync.Mutex
		mu.Lock()
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			defer checkLost(t, 1)
			go mu.Unlock()
			mu.Lock()
			mu.Unlock()
		})
		if took, least := time.Since(start), max(time.Second>>i, 10*time.Millisecond); took < least {
			t.Errorf("wait %d took %v, not %v or more", i, took, least)
		}
	}
	if took := time.Since(start); took > 6*time.Second {
		t.Errorf("ten waits that should take two seconds took %v", took)
	}
}

// until waits in real time, in a simulation or outside. It does not spin, as a goroutine of
// a simulation that spins for long loses the turn.
func until(ok func() bool) {
	for !ok() {
		_ = syscall.Nanosleep(&syscall.Timespec{Nsec: 20_000}, nil)
	}
}

// ordered records the order of goroutines.
type ordered struct {
	mu   sync.Mutex
	text string
}

func (o *ordered) add(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text += name
}

// turnCounts are counts of a simulation, see the overlay's SimtestTurns.
type turnCounts struct{ turns, choices, lost uint64 }

func turns(t *testing.T) (n turnCounts) {
	counts, ok := any(new(runtime.PanicNilError)).(interface {
		SimtestTurns() (turns, choices, lost uint64)
	})
	if !ok {
		t.Fatal("the runtime does not count turns")
	}
	n.turns, n.choices, n.lost = counts.SimtestTurns()
	return n
}

// checkLost checks how often goroutines of the simulation have lost the turn.
func checkLost(t *testing.T, want uint64) {
	t.Helper()
	if n := turns(t); n.lost != want {
		t.Errorf("turns were lost %d times, not %d", n.lost, want)
	}
}

// needOverlay skips a test of the order of goroutines without the overlay.
func needOverlay(t *testing.T) {
	t.Helper()
	if !simtest.Overlay().Order {
		t.Skip("this needs the overlay: run it with slownet test")
	}
}

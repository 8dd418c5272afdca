package outside

import (
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"sync/atomic"
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

// A goroutine that waits for a mutex that is held outside, or for a file that is written
// to outside, keeps the turn. So the schedule is the same as if it had not waited.
func TestHeldOutsideShiftsNothing(t *testing.T) {
	if !simtest.Overlay().Order {
		t.Skip("this needs the overlay: run it with slownet test")
	}
	for _, c := range []struct {
		name string
		// hold returns a function that waits until release has been called.
		hold func(t *testing.T) (wait, release func())
	}{
		{"Mutex", func(*testing.T) (wait, release func()) {
			var mu sync.Mutex
			mu.Lock()
			return func() { mu.Lock(); mu.Unlock() }, mu.Unlock
		}},
		{"writer waits for writer", func(*testing.T) (wait, release func()) {
			var mu sync.RWMutex
			mu.Lock()
			return func() { mu.Lock(); mu.Unlock() }, mu.Unlock
		}},
		{"writer waits for reader", func(*testing.T) (wait, release func()) {
			var mu sync.RWMutex
			mu.RLock()
			return func() { mu.Lock(); mu.Unlock() }, mu.RUnlock
		}},
		{"reader waits for writer", func(*testing.T) (wait, release func()) {
			var mu sync.RWMutex
			mu.Lock()
			return func() { mu.RLock(); mu.RUnlock() }, mu.Unlock
		}},
		{"Once", func(*testing.T) (wait, release func()) {
			var once sync.Once
			entered, leave := make(chan bool), make(chan bool)
			go once.Do(func() { close(entered); <-leave })
			<-entered
			return func() { once.Do(func() { panic("again") }) }, func() { close(leave) }
		}},
		{"file", func(t *testing.T) (wait, release func()) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Close(); w.Close() })
			writing := make(chan bool)
			go func() {
				close(writing)
				w.Write(make([]byte, 1<<20)) // more than a pipe holds
			}()
			<-writing
			time.Sleep(time.Millisecond)
			return func() { w.Write(nil) }, func() { go io.Copy(io.Discard, r) }
		}},
	} {
		orders := make(map[uint64]string)
		for i := range 60 {
			schedule := uint64(i % 3)
			held := i/3%2 == 1
			wait, release := c.hold(t)
			if held {
				time.AfterFunc(time.Duration(i)*100*time.Microsecond, release)
			} else {
				release()
				time.Sleep(5 * time.Millisecond)
			}
			simtest.Config{Schedule: schedule}.Run(t, func(t *testing.T, sim *simtest.Sim) {
				var mu sync.Mutex
				var order string
				var all sync.WaitGroup
				sim.At(time.Hour, func() {})
				start := func(name string) {
					all.Go(func() {
						for range 3 {
							mu.Lock()
							order += fmt.Sprint(name, rand.IntN(10))
							mu.Unlock()
						}
					})
				}
				start("a")
				start("b")
				wait()
				start("c")
				start("d")
				all.Wait()
				if sim.Elapsed() != 0 {
					t.Errorf("%s: %v have passed", c.name, sim.Elapsed())
				}
				if before := orders[schedule]; before == "" {
					orders[schedule] = order
				} else if order != before {
					t.Errorf("%s, schedule %d, held outside: %v: %s, then %s", c.name, schedule, held, before, order)
				}
			})
		}
	}
}

// Parallel simulations that log have the same schedule, although each finds the log's
// mutex and its file held by others.
func TestHeldOutsideByAnotherSimulation(t *testing.T) {
	if !simtest.Overlay().Order {
		t.Skip("this needs the overlay: run it with slownet test")
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	logger := log.New(null, "", log.Lmicroseconds)
	var mu sync.Mutex
	orders := make(map[string]int)
	t.Run("all", func(t *testing.T) {
		for range 8 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for range 20 {
					order := ""
					simtest.Config{Schedule: 1}.Run(t, func(t *testing.T, sim *simtest.Sim) {
						var inside sync.Mutex
						var all sync.WaitGroup
						say := func(name string) {
							inside.Lock()
							order += fmt.Sprint(name, rand.IntN(10))
							inside.Unlock()
						}
						for i := range 5 {
							all.Go(func() {
								for range 20 {
									logger.Print(i)
									fmt.Fprintln(null, i)
									say(fmt.Sprint(i))
									go say("x")
									time.Sleep(time.Millisecond)
								}
							})
						}
						all.Wait()
					})
					mu.Lock()
					orders[order]++
					mu.Unlock()
				}
			})
		}
	})
	if len(orders) != 1 {
		t.Errorf("there are %d orders, not 1", len(orders))
	}
}

// A goroutine that waits for something that another one of its simulation does, gives its
// turn away at once: when it closes a file that the other one reads, and when the other one
// holds a mutex for which a writer outside waits. If it kept the turn, these simulations
// would take four seconds or more. Time goes on meanwhile.
func TestHeldInside(t *testing.T) {
	start := time.Now()
	for range 100 {
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
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
		held, wanted := make(chan bool), make(chan bool)
		go func() {
			<-held
			close(wanted)
			mu.Lock()
			mu.Unlock()
		}()
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			mu.RLock()
			close(held)
			<-wanted
			for mu.TryRLock() { // until the writer waits
				mu.RUnlock()
			}
			var all sync.WaitGroup
			all.Go(func() { mu.RLock(); mu.RUnlock() })
			all.Go(func() { mu.Lock(); mu.Unlock() })
			time.Sleep(time.Second)
			mu.RUnlock()
			all.Wait()
		})
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("200 simulations took %v", took)
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

package outside

import (
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"runtime"
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
	needOverlay(t)
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
				w.Write(make([]byte, 1<<17)) // more than a pipe holds
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
	needOverlay(t)
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

// A goroutine that keeps the turn gives it away when it finds that it is not the first of
// its simulation in the queue for a mutex, and the first one has been woken.
func TestHeldOutsideBetween(t *testing.T) {
	needOverlay(t)
	for range 3 {
		var mu sync.Mutex
		var inside, queued, outside atomic.Bool
		go func() {
			until(inside.Load)
			time.AfterFunc(5*time.Millisecond, func() { queued.Store(true) })
			mu.Lock()
			outside.Store(true)
			time.Sleep(20 * time.Millisecond)
			mu.Unlock()
		}()
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			mu.Lock()
			inside.Store(true)
			until(queued.Load)
			go func() { mu.Lock(); mu.Unlock() }() // second in the queue
			runtime.Gosched()
			mu.Unlock()
			until(outside.Load)
			mu.Lock() // third
			mu.Unlock()
			checkLost(t, 0)
		})
	}
}

// A writer that waits for a reader outside keeps the turn, even if another writer of its
// simulation has been woken, as that one has to wait for the first one.
func TestHeldOutsideByReader(t *testing.T) {
	needOverlay(t)
	for i := range 20 {
		var mu sync.RWMutex
		var unlocked, outside atomic.Bool
		go func() {
			until(unlocked.Load)
			if i%2 == 1 {
				mu.RLock()
				defer mu.RUnlock()
			}
			outside.Store(true)
			time.Sleep(time.Duration(i) * time.Millisecond)
		}()
		var order ordered
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			var all sync.WaitGroup
			mu.Lock()
			all.Go(func() { mu.Lock(); order.add("b"); mu.Unlock() })
			runtime.Gosched()
			all.Go(func() { order.add("c") })
			mu.Unlock()
			unlocked.Store(true)
			until(outside.Load)
			mu.Lock()
			order.add("a")
			mu.Unlock()
			all.Wait()
			checkLost(t, 0)
		})
		if order.text != "acb" {
			t.Errorf("the order is %s", order.text)
		}
	}
}

// A reader that a writer outside has let in, but not woken yet, stops time, although
// another reader of its simulation has the mutex already.
func TestHeldOutsideByWriter(t *testing.T) {
	needOverlay(t)
	for range 40 {
		var mu sync.RWMutex
		var other sync.Mutex
		var locked, free atomic.Bool
		go func() {
			mu.Lock()
			locked.Store(true)
			for !free.Load() {
				runtime.Gosched()
			}
			mu.Unlock()
			for start := time.Now(); time.Since(start) < time.Millisecond; {
			}
		}()
		for !locked.Load() {
			runtime.Gosched()
		}
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			var all sync.WaitGroup
			other.Lock() // so the reader loses the turn after 10 ms
			all.Go(func() {
				mu.RLock()
				if sim.Elapsed() != 0 {
					t.Errorf("%v have passed", sim.Elapsed())
				}
				mu.RUnlock()
			})
			runtime.Gosched()
			free.Store(true)
			for !mu.TryRLock() {
			}
			time.Sleep(time.Hour)
			mu.RUnlock()
			other.Unlock()
			all.Wait()
		})
	}
}

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
	"syscall"
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
// turn away at once, rather than lose it after a while: when it closes a file that the other
// one reads, and when the other one holds a mutex for which a writer outside waits, or has
// been woken to take it. Time goes on meanwhile.
func TestHeldInside(t *testing.T) {
	if !simtest.Overlay().Order {
		t.Skip("this needs the overlay: run it with slownet test")
	}
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
			for !held.Load() {
				time.Sleep(10 * time.Microsecond)
			}
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

// A goroutine that keeps the turn gives it away when it finds that it is not the first of
// its simulation in the queue for a mutex, and the first one has been woken.
func TestHeldOutsideBetween(t *testing.T) {
	if !simtest.Overlay().Order {
		t.Skip("this needs the overlay: run it with slownet test")
	}
	for range 3 {
		var mu sync.Mutex
		var inside, queued, outside atomic.Bool
		go func() {
			for !inside.Load() {
				runtime.Gosched()
			}
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

// A writer that waits for a reader outside keeps the turn, although a writer of its
// simulation has been woken: that one is behind it.
func TestHeldOutsideByReader(t *testing.T) {
	if !simtest.Overlay().Order {
		t.Skip("this needs the overlay: run it with slownet test")
	}
	for i := range 20 {
		var mu sync.RWMutex
		var unlocked, outside atomic.Bool
		go func() {
			for !unlocked.Load() {
				runtime.Gosched()
			}
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
	if !simtest.Overlay().Order {
		t.Skip("this needs the overlay: run it with slownet test")
	}
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

// A goroutine that waits for a mutex that is held outside keeps the turn for a second, or
// for 10 ms if another one of its simulation holds a mutex. The second is halved each time
// that it was waited in vain.
func TestTurnIsLost(t *testing.T) {
	if !simtest.Overlay().Order {
		t.Skip("this needs the overlay: run it with slownet test")
	}

	// The holder is in no hurry, and waits for nobody.
	for name, busy := range map[string]func(t *testing.T, sim *simtest.Sim) (end func()){
		"nothing is held": func(*testing.T, *simtest.Sim) func() { return func() {} },
		"the waiting goroutine holds a mutex": func(*testing.T, *simtest.Sim) func() {
			var own sync.RWMutex
			own.RLock()
			return own.RUnlock
		},
		"a mutex was held": func(*testing.T, *simtest.Sim) func() {
			var all sync.WaitGroup
			var once sync.Once
			var mu sync.RWMutex
			all.Go(func() { once.Do(func() { mu.Lock() }); mu.Unlock() })
			all.Go(func() { mu.RLock(); mu.TryRLock(); mu.RUnlock(); mu.RUnlock() })
			all.Wait()
			return func() {}
		},
		"the waiting goroutine unlocked another one's mutex": func(*testing.T, *simtest.Sim) func() {
			var mu sync.Mutex
			var all sync.WaitGroup
			all.Go(mu.Lock)
			all.Wait()
			mu.Unlock()
			return func() {}
		},
		"a file is being read": func(t *testing.T, _ *simtest.Sim) func() {
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
			end := busy(t, sim)
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
			for !held.Load() {
				time.Sleep(10 * time.Microsecond)
			}
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

// A collection that the program asks for does not change the schedule, however much it has
// to sweep.
func TestCollectShiftsNothing(t *testing.T) {
	if !simtest.Overlay().Order {
		t.Skip("this needs the overlay: run it with slownet test")
	}
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

// until waits, in real time and with the turn. It sleeps instead of spinning, as a goroutine
// that spins loses the turn in the end.
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

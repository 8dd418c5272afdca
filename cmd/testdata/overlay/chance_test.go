// Package outside is a module of its own, whose simulations need the overlay.
package outside

import (
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// Four goroutines of one host wake at one instant, and write to one connection.
func TestFour(t *testing.T) {
	for range 20 {
		simtest.Config{Seed: 3, Link: netem.Link{Latency: 20 * time.Millisecond}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			l, err := sim.Host("server").Listen("tcp", ":80")
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				if c, err := l.Accept(); err == nil {
					_, _ = io.Copy(io.Discard, c)
				}
			}()
			c, err := sim.Host("client").Dial("tcp", "server:80")
			if err != nil {
				t.Fatal(err)
			}
			var writers sync.WaitGroup
			for i := range 4 {
				writers.Go(func() {
					for range 5 {
						time.Sleep(time.Second)
						fmt.Fprintf(c, "goroutine %d\n", i)
					}
				})
			}
			writers.Wait()
			fmt.Println("digest", sim.Trace().Digest())
		})
	}
}

// The runtime's random choices: the order of a map, a select, math/rand/v2.
func TestChance(t *testing.T) {
	for range 20 {
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			var text string
			set := make(map[string]bool)
			for i := range 20 {
				set[fmt.Sprint("key", i)] = true
			}
			for key := range set {
				text += key
			}
			a, b := make(chan int, 20), make(chan int, 20)
			for i := range 20 {
				a <- i
				b <- -i
			}
			for range 20 {
				select {
				case n := <-a:
					text += fmt.Sprint(n)
				case n := <-b:
					text += fmt.Sprint(n)
				}
			}
			fmt.Println("digest", text, rand.Int(), rand.Perm(5))
		})
	}
}

// A mutex that is held outside of the simulation for 50 ms stops simulated time; a mutex
// that is held inside does not.
func TestLocks(t *testing.T) {
	if !simtest.Overlay().Time {
		t.Skip("this needs the overlay: run it with slownet test")
	}
	for i := range 100 {
		var outside sync.RWMutex
		lock, unlock := outside.Lock, outside.Unlock
		if i%2 == 0 {
			lock, unlock = outside.RLock, outside.RUnlock
		}
		lock()
		time.AfterFunc(50*time.Millisecond, unlock)
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			sim.At(time.Hour, func() {})
			outside.Lock()
			if sim.Elapsed() != 0 {
				t.Errorf("run %d: time has advanced by %v", i, sim.Elapsed())
			}
			go func() {
				time.Sleep(time.Minute)
				outside.Unlock()
			}()
			outside.RLock()
			if sim.Elapsed() != time.Minute {
				t.Errorf("run %d: time has stood still", i)
			}
			outside.RUnlock()
		})
	}
}

// Code that runs only once in a process, in the first simulation, does not shift the
// schedule.
func TestOnceShiftsNothing(t *testing.T) {
	if !simtest.Overlay().Order {
		t.Skip("this needs the overlay: run it with slownet test")
	}
	orders := make(map[string]bool)
	for schedule := uint64(1); schedule <= 50; schedule++ {
		var once sync.Once
		var first string
		for range 2 {
			simtest.Config{Schedule: schedule}.Run(t, func(t *testing.T, sim *simtest.Sim) {
				var mu sync.Mutex
				once.Do(func() {
					for range 3 {
						mu.Lock()
						mu.Unlock()
					}
				})
				order := ""
				var wait sync.WaitGroup
				for _, name := range []string{"a", "b", "c"} {
					wait.Go(func() {
						for range 5 {
							mu.Lock()
							order += name
							mu.Unlock()
						}
					})
				}
				wait.Wait()
				if first == "" {
					first = order
					orders[order] = true
				}
				if order != first {
					t.Errorf("schedule %d: %s, then %s", schedule, first, order)
				}
			})
		}
	}
	if len(orders) < 10 {
		t.Errorf("%d orders in 50 schedules", len(orders))
	}
}

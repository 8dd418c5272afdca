package outside

import (
	"sync"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// Bugs that show only if goroutines interleave in an unlucky order. In the overlay's
// default order, schedule 0, none of them shows.

// both runs two functions, each in a goroutine of its own.
func both(t *testing.T, f, g func()) {
	if !simtest.Overlay().Order {
		t.Skip("this needs the overlay: run it with slownet test")
	}
	var wait sync.WaitGroup
	wait.Go(f)
	wait.Go(g)
	wait.Wait()
}

func TestLostUpdate(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		var mu sync.Mutex
		count := 0
		add := func() {
			mu.Lock()
			n := count
			mu.Unlock()
			mu.Lock()
			count = n + 1
			mu.Unlock()
		}
		if both(t, add, add); count != 2 {
			t.Error("an update is lost")
		}
	})
}

func TestCheckThenAct(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		var cache sync.Map
		var mu sync.Mutex
		made := 0
		get := func() {
			if _, ok := cache.Load("key"); !ok {
				mu.Lock()
				made++
				mu.Unlock()
				cache.Store("key", made)
			}
		}
		if both(t, get, get); made != 1 {
			t.Error("it was made twice")
		}
	})
}

func TestTornRead(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		var mu sync.RWMutex
		debit, credit := 0, 0
		pay := func() {
			mu.Lock()
			defer mu.Unlock()
			debit++
			credit++
		}
		read := func(value *int) int {
			mu.RLock()
			defer mu.RUnlock()
			return *value
		}
		both(t, func() {
			if read(&debit) != read(&credit) {
				t.Error("the books do not balance")
			}
		}, pay)
	})
}

func TestSendOnClosed(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		var mu sync.Mutex
		closed := false
		lines := make(chan string, 1)
		send := func() {
			defer func() {
				if recover() != nil {
					t.Error("sent on a closed channel")
				}
			}()
			mu.Lock()
			over := closed
			mu.Unlock()
			if !over {
				lines <- "a line"
			}
		}
		end := func() {
			mu.Lock()
			closed = true
			mu.Unlock()
			close(lines)
		}
		both(t, send, end)
	})
}

func TestLockOrder(t *testing.T) {
	simtest.Config{TimeLimit: time.Hour}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		var a, b sync.Mutex
		take := func(first, second *sync.Mutex) func() {
			return func() {
				first.Lock()
				defer first.Unlock()
				second.Lock()
				defer second.Unlock()
			}
		}
		both(t, take(&a, &b), take(&b, &a))
	})
}

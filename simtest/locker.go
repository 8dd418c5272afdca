package simtest

import "sync"

// A Locker is a mutex for code that runs in simulations. While a goroutine waits for a
// sync.Mutex, simulated time stands still, so the mutex's holder must not wait for the
// network or for time. A goroutine that waits for a Locker is blocked in the sense of
// testing/synctest: time goes on, and the holder may wait for anything. A Locker also
// works outside of simulations.
//
// Goroutines get the lock in the order in which they called Lock; for calls at one
// instant the scheduler decides the order. The zero Locker is unlocked. It must not be
// copied after first use, nor shared among simulations.
type Locker struct {
	mu      sync.Mutex // guards the fields below
	locked  bool
	waiting []chan struct{} // the first has waited longest; closed when it gets the lock
}

var _ sync.Locker = (*Locker)(nil)

// Lock locks l. If it is locked, Lock waits for the caller's turn.
func (l *Locker) Lock() {
	l.mu.Lock()
	if !l.locked {
		l.locked = true
		l.mu.Unlock()
		return
	}
	turn := make(chan struct{})
	l.waiting = append(l.waiting, turn)
	l.mu.Unlock()
	<-turn
}

// TryLock tries to lock l, and reports whether it succeeded.
func (l *Locker) TryLock() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.locked {
		return false
	}
	l.locked = true
	return true
}

// Unlock unlocks l, or passes it to the goroutine that has waited longest. Any
// goroutine may call it. It panics if l is not locked.
func (l *Locker) Unlock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.locked {
		panic("simtest: Unlock of a Locker that is not locked")
	}
	if len(l.waiting) == 0 {
		l.locked = false
		return
	}
	next := l.waiting[0]
	l.waiting[0] = nil
	l.waiting = l.waiting[1:]
	close(next)
}

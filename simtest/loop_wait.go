package simtest

import (
	"os"
	"sync"

	"github.com/slowpoetry/slowpoetry/internal/prefetch"
)

// A waiter is a waiting call. Its result is decided under the lock by whatever ends its
// wait, not by the woken goroutine, so it does not matter which of several goroutines
// runs first.
type waiter[T any] struct {
	decided sync.Cond // signalled when over is set
	next    *waiter[T]
	over    bool
	call    T // its arguments and its result
	err     error

	goroutine prefetch.Goroutine // the one that waits
}

// waits holds the calls that wait for one thing, in the order of the calls. Guarded by
// the simulation's mu.
type waits[T any] struct{ first, last *waiter[T] }

// waitLocked waits until the call is ended. It returns the call in its final state.
func (w *waits[T]) waitLocked(spare *spareList[T], mu *sync.Mutex, call T) (T, error) {
	mine := spare.take(mu)
	mine.call, mine.goroutine = call, prefetch.Current()
	if w.first == nil {
		w.first = mine
	} else {
		w.last.next = mine
	}
	w.last = mine
	for !mine.over {
		mine.decided.Wait()
	}
	call, err := mine.call, mine.err
	spare.put(mine)
	return call, err
}

// endFirstLocked ends the call that has waited longest. There must be one.
func (w *waits[T]) endFirstLocked(err error) {
	first := w.first
	if w.first = first.next; w.first == nil {
		w.last = nil
	}
	first.next = nil
	first.over, first.err = true, err
	first.decided.Signal()
}

// endAllLocked ends all calls.
func (w *waits[T]) endAllLocked(err error) {
	for w.first != nil {
		w.endFirstLocked(err)
	}
}

// expireLocked ends all calls because their deadline has passed.
func (w *waits[T]) expireLocked() { w.endAllLocked(os.ErrDeadlineExceeded) }

// serveLocked serves the calls in order until try returns false because one has to wait
// longer. It serves none after the deadline.
func (w *waits[T]) serveLocked(d *deadline, try func(call *T) (err error, over bool)) {
	if w.first == nil {
		return
	}
	if d.hasPassedLocked() {
		w.expireLocked()
	}
	for w.first != nil {
		err, over := try(&w.first.call)
		if !over {
			return
		}
		w.endFirstLocked(err)
	}
}

// lenLocked returns the number of waiting calls.
func (w *waits[T]) lenLocked() (n int) {
	for one := w.first; one != nil; one = one.next {
		n++
	}
	return n
}

// spareCalls are waiters for reuse.
type spareCalls struct {
	transfers spareList[transfer]
	accepts   spareList[*conn]
	datagrams spareList[datagram]
}

type spareList[T any] struct{ first *waiter[T] }

func (s *spareList[T]) take(mu *sync.Mutex) *waiter[T] {
	one := s.first
	if one == nil {
		one = &waiter[T]{}
		one.decided.L = mu
		return one
	}
	s.first, one.next = one.next, nil
	return one
}

func (s *spareList[T]) put(one *waiter[T]) {
	var none T
	one.call, one.err, one.over = none, nil, false
	one.next, s.first = s.first, one
}

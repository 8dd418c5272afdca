package reactor

import (
	"errors"
	"slices"
	"syscall"
	"time"
)

// A process has a limited number of file descriptors. After they have run out, the
// loop limits its connections and dials to their number at that time, minus a few,
// and raises the limit from time to time.
const (
	spareDescriptors = 4           // reserved for lookups and other uses; at most a quarter
	retryInterval    = time.Second // between two increases of the limit
)

// isOutOfDescriptors reports whether a dial has failed because the process, or
// the system, has too many open files.
func isOutOfDescriptors(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// starvation is the state of a loop after descriptors have run out.
type starvation struct {
	most    int          // limit of connections and dials together; 0 is none
	queues  []*dialQueue // waiting for descriptors, by the sequence of their next request
	retry   *Timer       // nil when no queue waits
	lookups int          // queues that wait to retry a lookup
}

// inUse returns the number of descriptors that the loop uses, by its own count.
func (r *Reactor) inUse() int { return r.conns + r.attempts }

// mayDial reports whether there may be a descriptor for one more dial.
func (r *Reactor) mayDial() bool {
	return r.starvation.most == 0 || r.inUse() < r.starvation.most
}

// limitDials sets the limit after a dial has failed for lack of a descriptor.
func (r *Reactor) limitDials(err error) {
	s := &r.starvation
	first := s.most == 0
	s.most = max(1, r.inUse()-min(spareDescriptors, r.inUse()/4))
	if first && r.OutOfDescriptors != nil {
		r.OutOfDescriptors(err)
	}
}

// waitForDescriptor inserts a queue into the starved ones, in order.
func (r *Reactor) waitForDescriptor(q *dialQueue) {
	s := &r.starvation
	if q.starved {
		s.queues = slices.DeleteFunc(s.queues, func(other *dialQueue) bool { return other == q })
	}
	q.starved = true
	sequence := q.next().sequence
	at, _ := slices.BinarySearchFunc(s.queues, sequence, func(q *dialQueue, sequence uint64) int {
		if w := q.next(); w == nil || w.sequence < sequence {
			return -1
		}
		return 1
	})
	s.queues = slices.Insert(s.queues, at, q)
	if s.retry == nil {
		s.retry = r.AfterFunc(retryInterval, r.retry)
	}
}

// startStarved starts as many waiting dials as there are descriptors for, in the
// order of their waiting times.
func (r *Reactor) startStarved() {
	s := &r.starvation
	for len(s.queues) > 0 && r.mayDial() {
		q := s.queues[0]
		s.queues = slices.Delete(s.queues, 0, 1)
		q.starved = false
		q.start()
	}
	if len(s.queues) > 0 {
		return
	}
	if s.retry != nil {
		s.retry.Stop()
		s.retry = nil
	}
	if r.attempts+s.lookups == 0 { // no dial in progress may still have to wait
		s.most = 0
	}
}

// retry raises the limit.
func (r *Reactor) retry() {
	s := &r.starvation
	s.retry = r.AfterFunc(retryInterval, r.retry)
	s.most += max(1, s.most/8)
	r.startStarved()
}

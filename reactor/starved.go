package reactor

import (
	"errors"
	"slices"
	"syscall"
	"time"
)

// A process has a limited number of descriptors. After they have run out, the
// loop keeps connections and dials under way at the number it had then, less a
// few, and tries now and then for more.
const (
	spareDescriptors = 4           // at most, or a quarter: for lookups and other uses
	retryInterval    = time.Second // after which a few more dials are tried
)

// isOutOfDescriptors reports whether a dial has failed because the process, or
// the system, has too many files open.
func isOutOfDescriptors(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// starvation is a loop's state after descriptors have run out.
type starvation struct {
	most    int          // limit on connections and dials together; 0 is none
	queues  []*dialQueue // that wait for descriptors, by the sequence of their next wish
	retry   *Timer       // nil when no queue waits
	lookups int          // queues that wait to look up a name again
}

// inUse returns how many descriptors the loop uses, by its own count.
func (r *Reactor) inUse() int { return r.conns + r.diallings }

// mayDial reports whether there may be a descriptor for one more dial.
func (r *Reactor) mayDial() bool {
	return r.starvation.most == 0 || r.inUse() < r.starvation.most
}

// limit notes that a dial has found no descriptor.
func (r *Reactor) limit(err error) {
	s := &r.starvation
	first := s.most == 0
	s.most = max(1, r.inUse()-min(spareDescriptors, r.inUse()/4))
	if first && r.OutOfDescriptors != nil {
		r.OutOfDescriptors(err)
	}
}

// starve puts a queue among those that wait for descriptors, at its place.
func (r *Reactor) starve(q *dialQueue) {
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

// feed starts as many of the waiting dials as there are descriptors for, the
// longest waiting first.
func (r *Reactor) feed() {
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
	if r.diallings+s.lookups == 0 { // none is under way that may yet have to wait
		s.most = 0
	}
}

// retry tries for more descriptors.
func (r *Reactor) retry() {
	s := &r.starvation
	s.retry = r.AfterFunc(retryInterval, r.retry)
	s.most += max(1, s.most/8)
	r.feed()
}

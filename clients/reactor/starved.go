package reactor

import (
	"errors"
	"slices"
	"syscall"
	"time"
)

// A process has so many descriptors. When they have run out, the loop has no
// more connections, and dials under way, than it had then, less a few; and it
// tries again and again whether there may be more.
const (
	spareDescriptors = 4           // at most, or a quarter: for lookups, and for whoever else needs one
	retryInterval    = time.Second // after which a few more dials are tried
)

// isOutOfDescriptors reports whether a dial has failed because the process, or
// the system, has too many files open.
func isOutOfDescriptors(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// starvation is what a loop knows about descriptors that have run out.
type starvation struct {
	most    int          // how many connections and dials there may be; 0 is any number
	queues  []*dialQueue // that wait for descriptors, by the sequence of their next wish
	retry   *Timer       // nil when no queue waits
	lookups int          // queues that wait to look up a name again
}

// inUse returns how many descriptors the loop takes, by its own account.
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

// starve has a queue wait for descriptors, at its place.
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

// feed starts the dials that waited for descriptors, as far as these go, those
// that have waited longest first.
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

// retry tries whether there may be more descriptors by now.
func (r *Reactor) retry() {
	s := &r.starvation
	s.retry = r.AfterFunc(retryInterval, r.retry)
	s.most += max(1, s.most/8)
	r.feed()
}

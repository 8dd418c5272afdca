package simtest

import "time"

// A workerTimeout is how long to wait for a worker. It is measured in the worker's own time,
// which is real time without that in which the machine, or the waiting process, was
// stopped, and without that in which the worker waited for a processor. So a seed that
// is slow because the machine has other things to do has the time that it would have
// on a machine of its own.
//
// A worker that shows no progress is given up earlier, so that one that hangs on a
// loaded machine is found soon: after as much real time, if a part of that was its own.
type workerTimeout struct {
	limit     time.Duration
	own       time.Duration
	idle      time.Duration // real time since the last sign of progress
	idleOwn   time.Duration // own time since then
	last      time.Time
	waited    time.Duration // for a processor, that is to be taken off what comes
	processes processorWaits
	asked     time.Duration // idle when the worker was last asked how far it is
	progress  uint64        // how far it was
}

const (
	askEvery     = 5 * time.Second
	maxWaited    = time.Second // at once
	idleOwnShare = 5           // of the limit, this part is own time, of a worker that shows no progress
)

func newWorkerTimeout(limit time.Duration, pid int) *workerTimeout {
	return &workerTimeout{limit: limit, last: time.Now(), processes: processorWaits{pid: pid}}
}

// isOver is called every lookAtWorkerEvery or so, and reports whether it is over.
func (w *workerTimeout) isOver() bool {
	now := time.Now()
	real := now.Sub(w.last)
	w.last = now
	w.look(real, w.processes.since())
	return w.isSpent()
}

// look adds real time, in which that much of waiting for a processor came to light. The
// system tells of it when it is over, so that it may be more than the time since the
// last look.
func (w *workerTimeout) look(real, waited time.Duration) {
	waited += w.waited
	own := max(0, real-waited)
	w.waited = min(max(0, waited-real), maxWaited)
	real = min(real, 4*lookAtWorkerEvery)
	w.add(real, min(own, real))
}

func (w *workerTimeout) isSpent() bool {
	return w.own >= w.limit || w.asks() && w.idle >= w.limit && w.idleOwn >= w.limit/idleOwnShare
}

func (w *workerTimeout) add(real, own time.Duration) {
	w.own += own
	w.idle += real
	w.idleOwn += own
}

// asks reports whether the worker is asked for its progress: not where there is no time
// to wait for answers.
func (w *workerTimeout) asks() bool { return w.limit >= 4*askEvery }

// isToAsk reports whether the worker is to be asked now how far it is.
func (w *workerTimeout) isToAsk() bool {
	if !w.asks() || w.idle-w.asked < askEvery {
		return false
	}
	w.asked = w.idle
	return true
}

// hear takes the worker's answer.
func (w *workerTimeout) hear(progress uint64) {
	if progress != w.progress {
		w.progress = progress
		w.idle, w.idleOwn, w.asked = 0, 0, 0
	}
}

package simtest

import "time"

// A workerTimeout limits the time to wait for a worker. The limit is in the worker's
// own time: real time, excluding time in which the machine or the waiting process was
// suspended, and time in which the worker waited for a processor. So a seed that is
// slow because the machine is busy has as much time as it would have on an idle
// machine.
//
// A worker that shows no progress is given up earlier, so that a hanging worker is
// found soon even on a loaded machine: after the limit in real time, if a certain part
// of that was own time.
type workerTimeout struct {
	limit     time.Duration
	own       time.Duration
	idle      time.Duration // real time since the last sign of progress
	idleOwn   time.Duration // own time since then
	last      time.Time
	waited    time.Duration // for a processor; still to be subtracted
	processes processorWaits
	asked     time.Duration // idle when the worker was last asked for its progress
	progress  uint64        // reported last
}

const (
	askEvery     = 5 * time.Second
	maxWaited    = time.Second // in one look
	idleOwnShare = 5           // the limit divided by this must be own time, for a worker without progress
)

func newWorkerTimeout(limit time.Duration, pid int) *workerTimeout {
	return &workerTimeout{limit: limit, last: time.Now(), processes: processorWaits{pid: pid}}
}

// isOver reports whether the timeout has passed. It is called about every
// lookAtWorkerEvery.
func (w *workerTimeout) isOver() bool {
	now := time.Now()
	real := now.Sub(w.last)
	w.last = now
	w.look(real, w.processes.since())
	return w.isSpent()
}

// look adds a period of real time, and the waits for a processor that were reported in
// it. The system reports a wait when it is over, so a wait can be longer than the time
// since the last look.
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

// asks reports whether the worker is asked for its progress, which makes no sense if
// the limit is short.
func (w *workerTimeout) asks() bool { return w.limit >= 4*askEvery }

// isToAsk reports whether to ask the worker for its progress now.
func (w *workerTimeout) isToAsk() bool {
	if !w.asks() || w.idle-w.asked < askEvery {
		return false
	}
	w.asked = w.idle
	return true
}

// hear processes the worker's answer.
func (w *workerTimeout) hear(progress uint64) {
	if progress != w.progress {
		w.progress = progress
		w.idle, w.idleOwn, w.asked = 0, 0, 0
	}
}

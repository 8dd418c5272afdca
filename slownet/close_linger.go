package slownet

import (
	"fmt"
	"math"
	"net"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// maxStall is how long the inner connection of a closed connection may take
// none of the bytes that have arrived, before the rest is discarded.
const maxStall = 5 * time.Second

// Why the rest is discarded after a close.
var (
	errStuck  = fmt.Errorf("nothing moved for %v after the close", maxStall)
	errLinger = fmt.Errorf("SetLinger(0): %w", net.ErrClosed)
)

// A linger is how a closed connection is drained: what was written arrives, and
// then the inner connection is closed. It is guarded by the lock of the half
// that writes.
type linger struct {
	of       *half
	drainer  drainer
	patience *patience // with the inner connection; nil if nothing is waited for
	loss     *loss     // nil if all went well
	seconds  int32     // as in SetLinger
	aborted  bool      // what is in flight is to be discarded
	resets   bool      // the inner connection is to be reset
	drained  bool      // the connection is closed, and so is the inner one
	within   bool      // the carrier is in the inner connection
}

// A patience ends when nothing has moved for maxStall.
type patience struct {
	timer *clock.Timer
	moved time.Duration // when something did last, or when the connection was closed
}

// A loss is what was discarded.
type loss struct {
	count int   // bytes or datagrams
	cause error // the first one
}

// A drainer has the parts of draining that differ for streams and datagrams.
type drainer interface {
	carry()                    // the carrier
	nextLocked() time.Duration // when something moves next; it may lie in the past
	hasMoreLocked() bool       // something was written that has not arrived
	closeInner(reset bool) error
	forget() // the connection is drained
	lossLocked() error
}

// beginLocked closes the half, and the inner connection if nothing is left to
// do first. Otherwise the carrier closes it; if the carrier is not at work yet,
// a timer starts it. waits means that there is something to wait for although
// the carrier is not at work.
//
// If the inner connection is closed here, that comes before blocked calls are
// woken, as on a plain connection: they may want a lock that the caller holds.
func (l *linger) beginLocked(waits bool) error {
	h := l.of
	h.closeLocked()
	if l.seconds == 0 {
		l.resets = true
		l.markAbortedLocked(errLinger)
	}
	if l.aborted || !h.background && !waits {
		defer h.interruptLocked()
		if h.background {
			return l.closeInnerLocked() // for the carrier may be in there
		}
		return l.finishLocked()
	}
	h.interruptLocked()
	l.patience = &patience{moved: h.now()}
	l.patience.timer = h.endpoint.at(l.limitLocked(), l.expire)
	if !h.background {
		h.background = true
		_ = h.syncLocked(false)
		until := l.drainer.nextLocked()
		if h.stalled {
			until = never
		}
		if !h.parkLocked(until, l.drainer.carry) {
			go l.drainer.carry()
		}
	}
	return nil
}

// limitLocked returns the time by which something must have moved.
func (l *linger) limitLocked() time.Duration {
	return timeline.Add(max(l.patience.moved, l.drainer.nextLocked()), maxStall)
}

// enterLocked notes that the carrier is about to call the inner connection, and
// exitLocked that the call has returned and something has moved.
func (l *linger) enterLocked() {
	l.within = true
	l.movedLocked()
}

func (l *linger) exitLocked() {
	l.within = false
	l.movedLocked()
	l.of.changed.wake()
}

// movedLocked notes that something has moved.
func (l *linger) movedLocked() {
	if l.patience != nil {
		l.patience.moved = l.of.now()
	}
}

// expire discards the rest if nothing has moved for long. If the carrier is
// just about to move something, the clock has jumped, and it may have jumped while a
// call of the inner connection was about to return.
func (l *linger) expire() {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	if l.drained || l.aborted {
		return
	}
	if isStepped(l.of.endpoint.clock) {
		l.graceLocked()
		if l.drained || l.aborted {
			return
		}
	}
	if !l.within && !l.of.stalled {
		l.movedLocked()
	}
	if until := l.limitLocked(); l.of.now() < until {
		l.patience.timer = l.of.endpoint.at(until, l.expire)
		return
	}
	l.abortLocked(errStuck)
	_ = l.closeInnerLocked()
}

// grace is how long a call of the inner connection may take in real time, however far
// a clock that is stepped by hand moves meanwhile.
const grace = 500 * time.Millisecond

// graceLocked waits for a call of the inner connection that is under way to return,
// for the grace at most. The lock is released meanwhile.
func (l *linger) graceLocked() {
	moved := l.patience.moved
	for left := grace; left > 0 && l.within && l.patience != nil && l.patience.moved == moved; left -= time.Millisecond {
		l.of.mu.Unlock()
		time.Sleep(time.Millisecond)
		l.of.mu.Lock()
	}
}

// abortLocked discards what is in flight and wakes the carrier.
func (l *linger) abortLocked(cause error) {
	if !l.aborted {
		l.markAbortedLocked(cause)
		l.of.interruptLocked()
	}
}

// markAbortedLocked has what is in flight discarded by the carrier, when that is
// woken. The peer must not take what has arrived for the whole stream.
func (l *linger) markAbortedLocked(cause error) {
	if l.aborted {
		return
	}
	l.aborted = true
	l.loseLocked(0, cause)
	l.resets = l.resets || l.drainer.hasMoreLocked()
	l.of.recalled = l.of.background
}

// loseLocked counts what was discarded, if anything, and notes why.
func (l *linger) loseLocked(n int, cause error) {
	if l.loss == nil {
		l.loss = &loss{cause: cause}
	}
	l.loss.count += n
}

// closeInnerLocked closes the inner connection. The lock is released meanwhile.
func (l *linger) closeInnerLocked() error {
	reset := l.resets
	l.of.mu.Unlock()
	defer l.of.mu.Lock()
	return l.drainer.closeInner(reset)
}

// finishLocked closes the inner connection after all else, and wakes those who
// wait for that.
func (l *linger) finishLocked() error {
	err := l.closeInnerLocked()
	if l.drained {
		return err
	}
	l.drained = true
	if l.patience != nil {
		l.patience.timer.Stop()
		l.patience = nil
	}
	l.of.changed.wake()
	l.drainer.forget()
	return err
}

// set sets the seconds. Zero also takes effect on a connection that is already
// closed.
func (l *linger) set(seconds int) {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	l.seconds = int32(max(-1, min(seconds, math.MaxInt32)))
	if l.seconds == 0 && l.of.closed && !l.drained && !l.aborted {
		l.resets = true
		l.abortLocked(errLinger)
		_ = l.closeInnerLocked()
	}
}

// await waits for a closed connection to be drained, for the seconds at most if
// they are above zero, and otherwise not at all.
func (l *linger) await() {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	if l.seconds <= 0 {
		return
	}
	until := timeline.Add(l.of.now(), time.Duration(l.seconds)*time.Second)
	for !l.drained && l.of.now() < until {
		l.of.waitLocked(&l.of.changed, until)
	}
}

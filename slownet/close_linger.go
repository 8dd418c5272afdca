package slownet

import (
	"fmt"
	"math"
	"net"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// maxStall is the time after which the rest of the data is discarded if the inner
// connection of a closed connection accepts nothing.
const maxStall = 5 * time.Second

// The reasons for discarding the rest after a close.
var (
	errStuck  = fmt.Errorf("nothing moved for %v after the close", maxStall)
	errLinger = fmt.Errorf("SetLinger(0): %w", net.ErrClosed)
)

// A linger drains a closed connection: the written bytes arrive, and then the inner
// connection is closed. It is guarded by the lock of the writing half.
type linger struct {
	of         *half
	drainer    drainer
	stallTimer *stallTimer // nil before the close, and after the end
	loss       *loss       // nil if nothing was discarded
	seconds    int32       // as in SetLinger
	aborted    bool        // bytes in flight must be discarded
	resets     bool        // the inner connection must be reset
	drained    bool        // the connection and the inner one are closed
	within     bool        // the delivery goroutine is in a call of the inner connection
}

// A stallTimer expires when nothing has moved for maxStall.
type stallTimer struct {
	timer *clock.Timer
	moved time.Duration // time of the last movement, or of the close
}

// A loss counts discarded bytes or datagrams.
type loss struct {
	count int   // bytes or datagrams
	cause error // the first one
}

// A drainer has the parts of draining that differ between streams and datagrams.
type drainer interface {
	deliver()                  // in the background, until all is delivered
	nextLocked() time.Duration // time of the next movement; may lie in the past
	hasMoreLocked() bool       // written bytes have not arrived
	closeInner(reset bool) error
	forget() // the connection is drained
	lossLocked() error
}

// beginLocked closes the half, and the inner connection if nothing is in flight.
// Otherwise the delivery goroutine closes it; if none is running yet, a timer
// starts it. waits means that bytes are pending although no delivery goroutine
// is running.
//
// If beginLocked closes the inner connection, it does so before it wakes blocked calls,
// like a plain connection: these calls may need a lock that the caller holds.
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
			return l.closeInnerLocked() // the delivery goroutine may be blocked in it
		}
		return l.finishLocked()
	}
	h.interruptLocked()
	l.stallTimer = &stallTimer{moved: h.now()}
	l.stallTimer.timer = h.endpoint.at(l.limitLocked(), l.expire)
	if !h.background {
		h.background = true
		_ = h.syncLocked(false)
		until := l.drainer.nextLocked()
		if h.stalled {
			until = never
		}
		if !h.parkLocked(until, l.drainer.deliver) {
			go l.drainer.deliver()
		}
	}
	return nil
}

// limitLocked returns the time by which the next byte must move.
func (l *linger) limitLocked() time.Duration {
	return timeline.Add(max(l.stallTimer.moved, l.drainer.nextLocked()), maxStall)
}

// enterLocked notes that the delivery goroutine is about to call the inner
// connection, and exitLocked that the call has returned and something has
// moved.
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
	if l.stallTimer != nil {
		l.stallTimer.moved = l.of.now()
	}
}

// expire discards the rest if nothing has moved for maxStall. If the delivery
// goroutine is neither in a call of the inner connection nor stalled, it is about to
// move something: then the clock has jumped, and the time starts again.
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
		l.stallTimer.timer = l.of.endpoint.at(until, l.expire)
		return
	}
	l.abortLocked(errStuck)
	_ = l.closeInnerLocked()
}

// grace is the real time that a call of the inner connection may take, however far a
// mock clock is advanced meanwhile.
const grace = 500 * time.Millisecond

// graceLocked waits for a call of the inner connection that is in progress to
// return, for at most grace. The lock is released meanwhile.
func (l *linger) graceLocked() {
	moved := l.stallTimer.moved
	for left := grace; left > 0 && l.within && l.stallTimer != nil && l.stallTimer.moved == moved; left -= time.Millisecond {
		l.of.mu.Unlock()
		time.Sleep(time.Millisecond)
		l.of.mu.Lock()
	}
}

// abortLocked discards the bytes in flight and wakes the delivery goroutine.
func (l *linger) abortLocked(cause error) {
	if !l.aborted {
		l.markAbortedLocked(cause)
		l.of.interruptLocked()
	}
}

// markAbortedLocked makes the delivery goroutine discard the bytes in flight when
// it is woken, and reset the connection: the peer must not take the part that
// arrived for the whole stream.
func (l *linger) markAbortedLocked(cause error) {
	if l.aborted {
		return
	}
	l.aborted = true
	l.loseLocked(0, cause)
	l.resets = l.resets || l.drainer.hasMoreLocked()
	l.of.recalled = l.of.background
}

// loseLocked counts discarded bytes or datagrams, with the first cause.
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

// finishLocked closes the inner connection at the end, and wakes the goroutines that
// wait for that.
func (l *linger) finishLocked() error {
	err := l.closeInnerLocked()
	if l.drained {
		return err
	}
	l.drained = true
	if l.stallTimer != nil {
		l.stallTimer.timer.Stop()
		l.stallTimer = nil
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

// await waits until a closed connection is drained, for at most l.seconds. If
// l.seconds is zero or less, it does not wait.
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

package slownet

import (
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/precise"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A half is one direction of a connection: reading and writing each have one.
//
// The user's calls either go right to the inner connection, through the gate, or
// they take turns here. While bytes are in flight, a goroutine works in the
// background: the delivery goroutine when writing, the read-ahead when reading.
// While it runs, no other call is in the inner connection.
type half struct {
	endpoint   *endpoint
	direction  Direction
	discarding bool  // guarded by mu: unread bytes of the inner connection are being discarded
	halfDone   int16 // guarded by mu: number of interrupted writes, which resume before others begin
	gate       gate

	hasDeadline atomic.Bool
	copies      atomic.Int32 // calls of io.Copy in the inner connection, or about to enter it
	copying     atomic.Int32 // copies that have entered it

	mu       sync.Mutex // guards the fields below
	changed  signal     // wakes the user's calls
	work     signal     // wakes the goroutine in the background
	deadline deadline

	parked *parked // the work in the background while no goroutine does it

	busy        bool // a user's call has the turn
	background  bool // the delivery goroutine or the read-ahead is running
	stalled     bool // by a fault
	closed      bool // by Close
	hungUp      bool // by a fault
	interrupted bool // the user's calls must return from the inner connection
	recalled    bool // the background goroutine must return from it
	innerPast   bool // the inner connection's deadline is in the past
	err         error
}

func (h *half) init(endpoint *endpoint, direction Direction, link *netem.Link) {
	h.endpoint, h.direction = endpoint, direction
	if !link.IsZero() || endpoint.trace != nil {
		h.gate.shut()
	}
}

// enter reports whether the user's call may go right to the inner connection.
func (h *half) enter() bool {
	if h.gate.isShut() {
		return false
	}
	if !h.gate.enter() || h.hasDeadline.Load() && h.isPastDeadline() {
		h.leave()
		return false
	}
	return true
}

// enterAlone is enter for a write. Only one write at a time may be in the inner connection:
// otherwise, if a write were interrupted, the bytes of another write could end up in the
// middle of its bytes.
func (h *half) enterAlone() bool {
	if !h.gate.enterAlone() {
		return false
	}
	if h.hasDeadline.Load() && h.isPastDeadline() {
		h.leave()
		return false
	}
	return true
}

// isPastDeadline reports whether the deadline has passed.
func (h *half) isPastDeadline() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.deadline.hasPassed(h.endpoint.clock)
}

// exit ends the user's call in the inner connection. It returns the error for the
// user. If the call was interrupted and must resume in a turn, out is true.
func (h *half) exit(err error) (userErr error, out bool) {
	if err == nil || err == io.EOF && !h.gate.isShut() {
		h.leave()
		return err, false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	userErr = h.leaveLocked(err)
	return userErr, userErr == nil
}

// exitWrite is exit for a call that has written n bytes.
func (h *half) exitWrite(n int, err error) (userErr error, out bool) {
	if err == nil {
		h.leave()
		return nil, false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if userErr = h.leaveLocked(err); userErr == nil && n > 0 {
		h.halfDone++
	}
	return userErr, userErr == nil
}

// leave counts a call that has left the inner connection.
func (h *half) leave() {
	if h.gate.leave() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.leftLocked()
	}
}

// beginCopying marks a call that has entered the inner connection as a copy.
func (h *half) beginCopying() {
	h.copying.Add(1)
	if h.gate.isShut() { // a goroutine may wait for it to leave
		h.mu.Lock()
		defer h.mu.Unlock()
		h.changed.wake()
	}
}

func (h *half) now() time.Duration { return h.endpoint.now() }

// takeTurnLocked waits until no other call of the user is in progress.
func (h *half) takeTurnLocked() error {
	for {
		if err := h.checkLocked(); err != nil {
			return err
		}
		if !h.isTakenLocked() && h.halfDone == 0 {
			h.busy = true
			return nil
		}
		h.gate.shut() // so that a call in the inner connection signals when it leaves
		h.waitLocked(&h.changed, never)
	}
}

// resumeTurnLocked takes the turn for a write that was interrupted in the inner
// connection. It precedes all other writes, so that its bytes stay together.
func (h *half) resumeTurnLocked() error {
	for h.isTakenLocked() {
		h.waitLocked(&h.changed, never)
	}
	h.halfDone--
	h.changed.wake()
	if err := h.checkLocked(); err != nil {
		return err
	}
	h.busy = true
	return nil
}

// isTakenLocked reports whether a call of the user is in progress. A copy that
// waits for its source does not count: it writes whole pieces between the
// writes of other calls.
func (h *half) isTakenLocked() bool { return h.busy || h.gate.within() > h.copying.Load() }

// endTurnLocked lets the next call proceed. If unlimited is set and nothing in
// the half prevents it, calls go right to the inner connection again.
func (h *half) endTurnLocked(unlimited bool) {
	h.busy = false
	if unlimited && h.halfDone == 0 && h.endpoint.trace == nil && !h.background && !h.stalled && !h.closed && !h.hungUp && h.err == nil {
		h.gate.open()
	}
	h.changed.wake()
}

// checkLocked returns the error with which a call must fail, or nil.
func (h *half) checkLocked() error {
	switch {
	case h.closed:
		return net.ErrClosed
	case h.deadline.hasPassed(h.endpoint.clock):
		return os.ErrDeadlineExceeded
	}
	return h.err
}

const never time.Duration = -1

// waitLocked waits for a signal, or until the given time unless that is never. It
// may return early: callers check again. The lock is released meanwhile.
func (h *half) waitLocked(s *signal, until time.Duration) {
	if until == never {
		changed := s.wait()
		h.mu.Unlock()
		<-changed
		h.mu.Lock()
		return
	}
	d := until - h.now()
	if h.endpoint.isReal {
		if d < precise.Grain {
			h.mu.Unlock()
			precise.Sleep(d)
			h.mu.Lock()
			return
		}
		d -= precise.Grain // the caller checks again, and then waits for the rest
	}
	changed, timer := s.wait(), h.endpoint.clock.Timer(d)
	h.mu.Unlock()
	if isStepped(h.endpoint.clock) {
		h.awaitStep(changed, timer.C, until)
	} else {
		select {
		case <-changed:
		case <-timer.C:
		}
	}
	h.mu.Lock()
	timer.Stop()
}

// awaitStep waits on a mock clock. A timer does not fire if the clock was
// advanced while the timer was being set, so the clock is polled as well.
func (h *half) awaitStep(changed <-chan struct{}, timer <-chan time.Time, until time.Duration) {
	for pause := time.Millisecond; pause < time.Second && h.now() < until; pause *= 4 {
		again := time.NewTimer(pause)
		select {
		case <-changed:
			again.Stop()
			return
		case <-timer:
			again.Stop()
			return
		case <-again.C:
		}
	}
	if h.now() < until {
		select {
		case <-changed:
		case <-timer:
		}
	}
}

// directly runs a call of the user in the inner connection. The lock is released
// meanwhile. If the call was only interrupted, err is nil.
func (h *half) directly(do func([]byte) (int, error), p []byte) (n int, err error) {
	h.gate.pass()
	h.mu.Unlock()
	n, err = do(p)
	h.mu.Lock()
	return n, h.leaveLocked(err)
}

// leaveLocked ends a call of the user in the inner connection. It returns the
// error for the user, or nil if the call was only interrupted, by a deadline that
// the wrapper has moved. Any other timeout is the inner connection's own, and is
// returned to the user. If both happen together, the call goes on in the inner
// connection and may time out again.
func (h *half) leaveLocked(err error) error {
	switch {
	case err == nil:
	case h.closed:
		err = net.ErrClosed
	case h.err != nil:
		err = h.err
	case h.hungUp:
		err = nil // the end has already been noted
	case h.innerPast && isTimeout(err) && !h.deadline.hasPassed(h.endpoint.clock):
		err = nil
	}
	if h.gate.leave() {
		h.leftLocked()
	}
	return err
}

// leftLocked is called when a call has left the inner connection while the gate
// is shut.
func (h *half) leftLocked() {
	if h.gate.within() == 0 {
		h.interrupted = false
		_ = h.syncLocked(false)
	}
	h.changed.wake()
}

// interruptLocked makes all calls that wait or are in the inner connection check
// again, and keeps the user's calls out of it. A copy into it is not interrupted:
// bytes that the operating system has taken from the source would be lost.
func (h *half) interruptLocked() {
	h.gate.shut()
	if !h.background && h.gate.within() > 0 && h.copies.Load() == 0 {
		h.interrupted = true
	}
	_ = h.syncLocked(false)
	h.changed.wake()
	h.work.wake()
	h.unparkLocked()
}

// beginWorkLocked begins the work in the background. No call is in the inner
// connection, except calls that are about to return because the stream was ended.
func (h *half) beginWorkLocked(do func()) {
	h.background, h.interrupted = true, h.interrupted && h.gate.within() > 0
	_ = h.syncLocked(false)
	go do()
}

// startLocked begins the work in the background, or wakes it if it has begun.
func (h *half) startLocked(do func()) {
	if h.background {
		h.work.wake()
		return
	}
	h.beginWorkLocked(do)
}

// recallLocked makes the goroutine in the background return from the inner
// connection.
func (h *half) recallLocked() {
	if h.background {
		h.recalled = true
		_ = h.syncLocked(false)
		h.work.wake()
	}
}

// endWorkLocked ends the work in the background.
func (h *half) endWorkLocked() {
	h.background, h.recalled = false, false
	_ = h.syncLocked(false)
	h.changed.wake()
}

// syncLocked sets the inner connection's deadline: in the past if the call in it
// must return, otherwise none. With always, it sets the deadline even if it has
// not changed.
func (h *half) syncLocked(always bool) error {
	if h.discarding {
		return nil // the deadline is no longer the user's
	}
	past := h.interrupted || h.recalled || !h.background && h.deadline.passed
	if past == h.innerPast && !always {
		return nil
	}
	h.innerPast = past
	at := time.Time{}
	if past {
		at = longAgo
	}
	if h.direction == Read {
		return h.endpoint.socket.SetReadDeadline(at)
	}
	return h.endpoint.socket.SetWriteDeadline(at)
}

// longAgo is a deadline that lies in the past on every clock.
var longAgo = time.Unix(-1_000_000_000, 0)

// errno returns an error like a failed system call's.
func errno(call string, e syscall.Errno) error { return os.NewSyscallError(call, e) }

// closeLocked makes later calls fail, and blocked ones when they next check.
func (h *half) closeLocked() {
	h.closed = true
	h.deadline.stop()
	h.gate.shut()
}

// failBlocked makes the blocked calls of a closed half fail, and ends its work in the
// background.
func (h *half) failBlocked() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.recalled = h.background
	h.interruptLocked()
}

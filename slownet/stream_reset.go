package slownet

import (
	"errors"
	"io"
	"sync/atomic"
	"syscall"
	"time"
)

// A peerReset is the state of a reset by the peer. As on a socket, only the
// first call that meets it fails with ECONNRESET. After that there is nothing
// to read, and writes fail with EPIPE.
type peerReset struct{ state atomic.Int32 }

const (
	resetNone    int32 = iota
	resetSeen          // in flight to the reader
	resetArrived       // no call has returned it yet
	resetTold
)

// become moves the reset on to a state, and reports whether it was in an
// earlier one.
func (r *peerReset) become(state int32) bool {
	for {
		before := r.state.Load()
		if before >= state {
			return false
		}
		if r.state.CompareAndSwap(before, state) {
			return true
		}
	}
}

// tell reports whether the caller must return the error, which only one call does.
func (r *peerReset) tell() bool { return r.state.CompareAndSwap(resetArrived, resetTold) }

func (r *peerReset) hasArrived() bool { return r.state.Load() >= resetArrived }

// isReset reports whether a call of the inner connection failed because of a
// reset by the peer.
func isReset(err error) bool { return errors.Is(err, syscall.ECONNRESET) }

// seeReset notes that the peer's reset arrives at the given time. If a Read is blocked
// at that time, it is always the call that returns the error. Otherwise writes fail
// from then on.
func (c *Conn) seeReset(at time.Duration) {
	if !c.in.reset.become(resetSeen) {
		return
	}
	c.at(at, func() {
		c.in.mu.Lock()
		reading := c.in.busy
		c.in.mu.Unlock()
		if !reading {
			c.arriveReset()
		}
	})
}

// arriveReset makes writes fail, after the peer has reset the connection.
func (c *Conn) arriveReset() {
	c.in.reset.become(resetArrived)
	c.traceReset(Read, syscall.ECONNRESET)
	c.out.failByReset(errno("read", syscall.ECONNRESET))
}

// readReset returns the error of a reader that meets the peer's reset.
func (c *Conn) readReset(err error) error {
	c.arriveReset()
	if c.in.reset.tell() {
		return err
	}
	return io.EOF
}

// readError turns the inner connection's error into the error of a Read that called
// the inner connection directly.
func (c *Conn) readError(err error) error {
	if !isReset(err) || !c.out.gate.isShut() {
		return err
	}
	c.in.mu.Lock()
	ours := c.in.err != nil
	c.in.mu.Unlock()
	if ours {
		return err
	}
	return c.readReset(err)
}

// failByReset makes writes fail.
func (s *sender) failByReset(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = errno("write", syscall.EPIPE)
		s.abortLocked(cause)
	}
}

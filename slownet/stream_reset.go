package slownet

import (
	"errors"
	"io"
	"sync/atomic"
	"syscall"
	"time"
)

// A peerReset is how far a reset by the peer has come. As on a socket, only the
// first call to meet it fails with ECONNRESET: after that there is nothing to
// read, and writes fail with EPIPE.
type peerReset struct{ state atomic.Int32 }

const (
	resetNone    int32 = iota
	resetSeen          // it is on its way to the reader
	resetArrived       // nobody has been told
	resetTold
)

// become advances the reset to a state, and reports whether it had not got that
// far yet.
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

// tell reports whether the caller is the one that gets the error.
func (r *peerReset) tell() bool { return r.state.CompareAndSwap(resetArrived, resetTold) }

func (r *peerReset) hasArrived() bool { return r.state.Load() >= resetArrived }

// isReset reports whether a call of the inner connection failed because the
// peer has reset it.
func isReset(err error) bool { return errors.Is(err, syscall.ECONNRESET) }

// seeReset notes that the peer's reset arrives at the given time. A call that
// waits in Read then gets the error, in every run; if there is none, writes
// fail from then on.
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

// arriveReset makes writes fail, as the peer has reset the connection.
func (c *Conn) arriveReset() {
	c.in.reset.become(resetArrived)
	c.traceReset(Read, syscall.ECONNRESET)
	c.out.hearReset(errno("read", syscall.ECONNRESET))
}

// readReset returns the error for a reader that has met the peer's reset.
func (c *Conn) readReset(err error) error {
	c.arriveReset()
	if c.in.reset.tell() {
		return err
	}
	return io.EOF
}

// readError turns an error of the inner connection into that of a reader whose
// call went right there.
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

// hearReset makes writes fail.
func (s *sender) hearReset(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = errno("write", syscall.EPIPE)
		s.abortLocked(cause)
	}
}

package slownet

import (
	"cmp"
	"io"
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// SetLinks changes the links of this connection, for bytes read or written from now
// on. If it shared the links of a [Dialer], a [Listener] or a [Path], it leaves them,
// and has links of its own from now on; to change the shared ones, use
// [Listener.SetLinks] or [Path.SetLinks]. What is already in flight keeps its arrival
// time, and later bytes do not overtake it. SetLinks panics on an invalid link; see
// [netem.Link.Validate].
//
// Like all faults, it may be called at any time, from any goroutine. While the operating
// system itself does an io.Copy to a connection without limits, any fault but Reset takes
// effect after at most 4 MiB more.
func (c *Conn) SetLinks(read, write netem.Link) {
	linksMustBeValid("Conn", read, write)
	in := c.in.setLink(intern(read), write.Latency)
	out := c.out.setLink(intern(write), read.Latency)
	c.linksChanged(in, out)
	c.faulted("links changed")
}

// pathChanged notes that the links of the path have changed. A connection with
// links of its own ignores it.
func (c *Conn) pathChanged(links [2]*netem.Link) {
	if c.isOnPath() {
		in := c.in.pathChanged(links[Read], links[Write].Latency)
		out := c.out.pathChanged(links[Write], links[Read].Latency)
		c.linksChanged(in, out)
		c.faulted("links changed")
	}
}

// linksChanged lets everything continue over new links.
func (c *Conn) linksChanged(in, out lane) {
	c.in.setBack(out)
	c.in.linkChanged()
	c.in.recall() // the read-ahead reads as much as the old link had room for
	c.out.setBack(in)
	c.out.linkChanged()
}

// isOnPath reports whether the connection shares its links.
func (c *Conn) isOnPath() bool {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	return c.in.isShared()
}

// recall makes the read-ahead return from the inner connection.
func (r *receiver) recall() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recallLocked()
}

// Stall holds up everything, in both directions, until Resume: nothing arrives, and
// calls of Write wait. Deadlines, Close and other faults still work. Over TCP, time
// stands still for the segments in flight and for TCP's timers, so TCP never gives up
// the connection because of a stall. On an ideal stream, bytes that would have
// arrived meanwhile arrive at Resume.
func (c *Conn) Stall() {
	c.in.stall(true)
	c.out.stall(true)
	c.faulted("stall")
}

// Resume ends a Stall, and everything that was held up continues.
func (c *Conn) Resume() {
	c.in.stall(false)
	c.out.stall(false)
	c.faulted("resume")
}

// delay holds everything up for the given time.
func (c *Conn) delay(d time.Duration) {
	until := timeline.Add(c.now(), d)
	c.in.hold(until)
	c.out.hold(until)
	c.faulted("delayed by " + d.String())
}

// hold holds everything up until the given time.
func (h *streamHalf) hold(until time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.flow.Hold(until)
	h.interruptLocked()
}

// Reset resets the connection, in both directions. Bytes in flight are lost, and
// calls at this end fail with ECONNRESET. The peer sees a reset, over TCP a real
// RST segment; where the inner connection has no SetLinger, it sees a close.
func (c *Conn) Reset() {
	c.faulted("reset")
	c.breakOff(syscall.ECONNRESET)
}

// CloseAfter closes the connection when n more bytes have passed in the given
// direction, as a middlebox would. Those bytes arrive. Then both ends see the end of
// the stream, and writes at this end fail with EPIPE. A negative n cancels an earlier
// call. CloseAfter panics on a direction that is neither Read nor Write.
func (c *Conn) CloseAfter(direction Direction, n int64) {
	direction.mustBeValid()
	h := c.half(direction)
	h.limit(n)
	if n == 0 {
		c.hangUp(h)
	}
}

// half returns the direction's half.
func (c *Conn) half(direction Direction) *streamHalf {
	if direction == Read {
		return &c.in.streamHalf
	}
	return &c.out.streamHalf
}

// breakOff resets the inner connection and makes all calls fail. Writes fail first,
// so that no write succeeds after a read has failed.
func (c *Conn) breakOff(cause syscall.Errno) {
	c.out.fail(errno("write", cause))
	c.in.fail(errno("read", cause))
	c.traceReset(Write, cause)
	_ = c.closeInner(true)
}

// fail discards the bytes in flight, and makes calls fail.
func (r *receiver) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return
	}
	r.err, r.inbox, r.size = err, nil, 0
	r.tcp.discard()
	r.recallLocked()
	r.interruptLocked()
}

// fail discards the bytes in flight, and makes calls fail.
func (s *sender) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = cmp.Or(s.err, err)
	s.abortLocked(err)
}

// hangUp closes the connection after the bytes that may still pass.
func (c *Conn) hangUp(h *streamHalf) {
	if !c.in.hangUp(h == &c.in.streamHalf) {
		return
	}
	c.faulted("closed after the given number of bytes")
	if c.out.hangUp() {
		c.endInner()
	}
}

// hangUp ends reading, at once or after the bytes in flight. It reports whether
// this was the first call.
func (r *receiver) hangUp(atOnce bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hungUp || r.closed || r.err != nil {
		return false
	}
	r.hungUp = true
	if atOnce {
		r.inbox, r.size, r.ended = nil, 0, false
		r.tcp.discard()
	}
	if !r.ended {
		r.ended, r.end, r.endAt = true, io.EOF, r.now()
		if !atOnce {
			r.endAt = r.sendEndLocked()
		}
	}
	r.recallLocked()
	r.interruptLocked()
	return true
}

// discard reads and discards the unread bytes of the inner connection after reading has
// ended. It takes little more than maxDiscard at most.
func (r *receiver) discard() {
	r.mu.Lock()
	late := false
	stallTimer := time.AfterFunc(maxDiscard, func() { // in real time, as the clock may be a mock
		r.mu.Lock()
		defer r.mu.Unlock()
		late = true
		r.changed.wake()
	})
	for (r.background || r.gate.within() > 0) && !late {
		r.waitLocked(&r.changed, never) // for the call in the inner connection to return
	}
	stallTimer.Stop()
	r.discarding = !r.background && r.gate.within() == 0
	r.mu.Unlock()
	if !r.discarding || r.conn.inner.SetReadDeadline(time.Now().Add(time.Millisecond)) != nil {
		return
	}
	buffer := getBuffer()
	defer putBuffer(buffer)
	for range maxUnread / bufferSize * 16 {
		if _, err := r.conn.inner.Read(buffer[:]); err != nil {
			return
		}
	}
}

// maxDiscard is the maximum real time for which discard waits until no call is in the
// inner connection.
const maxDiscard = 10 * time.Millisecond

// hangUp makes writes fail. It reports whether nothing is in flight; otherwise the
// delivery goroutine closes the inner connection.
func (s *sender) hangUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = errno("write", syscall.EPIPE)
	}
	s.hungUp = true
	s.interruptLocked()
	return !s.background
}

// traceEnd reports the end of a half's stream, once.
func (h *streamHalf) traceEnd() {
	if h.endpoint.trace != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.traceEndLocked()
	}
}

// faulted reports a fault.
func (c *Conn) faulted(cause string) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.traceLocked(trace.Fault, 0, 0, 0, cause)
}

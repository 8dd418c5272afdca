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

// SetLinks changes the links of this connection, for what is read and for what is
// written from now on. If it shared the links of a [Dialer], a [Listener] or a [Path],
// it leaves them, and has links of its own from now on; to change those of all, use
// [Listener.SetLinks] or [Path.SetLinks]. What is on its way already arrives when it
// would have, and what comes later does not overtake it. It panics on an invalid
// link; see [netem.Link.Validate].
//
// As all faults, it may be called at any time, from any goroutine. An io.Copy to
// or from a connection without limits, which the operating system does by
// itself, notices any fault but Reset after at most 256 KiB more.
func (c *Conn) SetLinks(read, write netem.Link) {
	linksMustBeValid("Conn", read, write)
	in := c.in.setLink(intern(read), write.Latency)
	out := c.out.setLink(intern(write), read.Latency)
	c.linksChanged(in, out)
	c.faulted("links changed")
}

// pathChanged notes that the links of the path have changed. A connection with
// links of its own keeps them.
func (c *Conn) pathChanged(links [2]*netem.Link) {
	if c.isOnPath() {
		in := c.in.pathChanged(links[Read], links[Write].Latency)
		out := c.out.pathChanged(links[Write], links[Read].Latency)
		c.linksChanged(in, out)
		c.faulted("links changed")
	}
}

// linksChanged makes everything go on over new links.
func (c *Conn) linksChanged(in, out lane) {
	c.in.setBack(out)
	c.in.linkChanged()
	c.in.recall() // the pump, which has come to read as much as the old link takes
	c.out.setBack(in)
	c.out.linkChanged()
}

// isOnPath reports whether the connection shares its links.
func (c *Conn) isOnPath() bool {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	return c.in.isShared()
}

// recall makes the pump come out of the inner connection.
func (r *receiver) recall() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recallLocked()
}

// Stall holds up everything, in both directions, until Resume: nothing arrives, and
// calls of Write wait. Deadlines, Close and other faults go on. Over TCP, time stands
// still for the segments under way and for TCP's timers: however long it takes, TCP
// does not give up the connection. Of an ideal stream, what would have arrived
// meanwhile arrives at Resume.
func (c *Conn) Stall() {
	c.in.stall(true)
	c.out.stall(true)
	c.faulted("stall")
}

// Resume ends a Stall: what has been held up goes on.
func (c *Conn) Resume() {
	c.in.stall(false)
	c.out.stall(false)
	c.faulted("resume")
}

// delay holds everything up for a while.
func (c *Conn) delay(d time.Duration) {
	until := timeline.Add(c.now(), d)
	c.in.hold(until)
	c.out.hold(until)
	c.faulted("delayed by " + d.String())
}

// hold lets nothing pass until the given time.
func (h *streamHalf) hold(until time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.flow.Hold(until)
	h.interruptLocked()
}

// Reset breaks the connection off, in both directions. What is in flight is
// lost, and calls of this end fail with ECONNRESET. The peer sees a reset,
// which is a real RST segment on TCP; where the inner connection has no
// SetLinger, it sees the connection closed.
func (c *Conn) Reset() {
	c.faulted("reset")
	c.breakOff(syscall.ECONNRESET)
}

// CloseAfter has the connection closed, as by something between the ends, when
// n more bytes have passed in the given direction. Those arrive. Then both ends
// see the end of the stream, and writes of this one fail with EPIPE. With
// n below zero it is not closed; that takes back an earlier call. It panics on
// a direction that is neither Read nor Write.
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

// breakOff resets the inner connection and makes all calls fail. Writes come
// first: whoever has heard it from a read does not get rid of anything any more.
func (c *Conn) breakOff(cause syscall.Errno) {
	c.out.fail(errno("write", cause))
	c.in.fail(errno("read", cause))
	c.traceReset(Write, cause)
	_ = c.closeInner(true)
}

// fail throws away what is in flight, and makes calls fail.
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

// fail throws away what is in flight, and makes calls fail.
func (s *sender) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = cmp.Or(s.err, err)
	s.abortLocked(err)
}

// hangUp has the connection closed, after what a half has let pass.
func (c *Conn) hangUp(h *streamHalf) {
	if !c.in.hangUp(h == &c.in.streamHalf) {
		return
	}
	c.faulted("closed after the given number of bytes")
	if c.out.hangUp() {
		c.endInner()
	}
}

// hangUp makes reads end, at once or behind what is in flight. It reports
// whether it is the first to do so.
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

// discard throws away what is unread in the inner connection, when reads have
// been made to end. It takes a few milliseconds.
func (r *receiver) discard() {
	r.mu.Lock()
	late := false
	patience := time.AfterFunc(maxDiscard, func() { // of real time: a clock may be stepped by hand
		r.mu.Lock()
		defer r.mu.Unlock()
		late = true
		r.changed.wake()
	})
	for (r.background || r.gate.within() > 0) && !late {
		r.waitLocked(&r.changed, never) // for whoever is in there to come out
	}
	patience.Stop()
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

// maxDiscard is how long it may take that nobody is in the inner connection.
const maxDiscard = 10 * time.Millisecond

// hangUp makes writes fail. It reports whether nothing is in flight; else the
// carrier closes the inner connection.
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

// traceEnd reports the end of a half's stream, if nobody else has.
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

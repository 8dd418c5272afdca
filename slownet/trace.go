package slownet

import (
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/departures"
	"github.com/slowpoetry/slowpoetry/internal/enum"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A Direction distinguishes reading from writing, from the wrapper's point of
// view.
type Direction uint8

// The directions.
const (
	Read Direction = iota
	Write
)

// String returns "read" or "write".
func (d Direction) String() string { return enum.Name("Direction", int(d), "read", "write") }

func (d Direction) mustBeValid() {
	if d != Read && d != Write {
		panic("slownet: " + d.String() + " is no direction: it must be Read or Write")
	}
}

// DirectionOf returns the direction of a wrapped connection that an event of
// [Config.Trace] is about: Write if the event comes from the connection's own
// address.
func DirectionOf(e trace.Event) Direction {
	if e.From == e.Conn.Host {
		return Write
	}
	return Read
}

// A tracer reports the events of a connection.
type tracer struct {
	emit     func(trace.Event)
	payloads int // maximum payload of an event in bytes; below 0 is all
	name     trace.Conn
	departed [2]departures.Queue // of a stream, by direction; each guarded by its half's lock
	ended    [2]atomic.Bool      // the stream's end or a reset was reported; by direction
}

// traced counts the traced connections.
var traced atomic.Uint64

// epoch is the zero of departure times. It has a monotonic reading, so travel times
// are right even if the system's clock is set meanwhile.
var epoch = time.Now()

func newTracer(config *Config, local net.Addr) *tracer {
	return &tracer{
		emit: config.Trace, payloads: config.Payloads,
		name: trace.Conn{Host: local.String(), Network: local.Network(), Number: traced.Add(1)},
	}
}

// report reports an event in a direction, at the given time. The remote address may
// be nil.
func (t *tracer) report(at time.Time, direction Direction, remote net.Addr, event trace.Event) {
	event.At, event.Conn = time.Duration(at.UnixNano()), t.name
	event.From, event.To = t.name.Host, t.peerName(remote)
	if direction == Read {
		event.From, event.To = event.To, event.From
	}
	t.emit(event)
}

// peerName returns the name of the other end, which always differs from this end's name.
func (t *tracer) peerName(remote net.Addr) string {
	if remote == nil {
		return ""
	}
	name := remote.String()
	if name == t.name.Host {
		name += " (peer)"
	}
	return name
}

// traceLocked reports an event of a stream, if the connection is traced.
func (h *streamHalf) traceLocked(kind trace.Kind, offset int64, n int, delay time.Duration, note string) {
	t := h.endpoint.trace
	if t == nil {
		return
	}
	now := h.endpoint.clock.Now()
	if kind == trace.Send {
		t.departed[h.direction].Leave(now.Sub(epoch), n)
	}
	t.report(now, h.direction, h.conn.RemoteAddr(), trace.Event{Kind: kind, Offset: offset, Length: n, Took: delay, Note: note})
}

// traceDataLocked reports bytes of a stream that have arrived.
func (h *streamHalf) traceDataLocked(data []byte) {
	t := h.endpoint.trace
	if t == nil || len(data) == 0 {
		return
	}
	now, n := h.endpoint.clock.Now(), len(data)
	t.report(now, h.direction, h.conn.RemoteAddr(), trace.Event{
		Kind: trace.Data, Offset: h.delivered, Length: n,
		Took: t.departed[h.direction].Arrive(now.Sub(epoch), n), Payload: t.payload(data),
	})
}

// payload returns the part of the bytes that goes into an event.
func (t *tracer) payload(data []byte) string {
	if t.payloads >= 0 {
		data = data[:min(len(data), t.payloads)]
	}
	return string(data)
}

// traceConn reports an event without bytes.
func (c *Conn) traceConn(kind trace.Kind, direction Direction, took time.Duration, err error) {
	if c.trace == nil {
		return
	}
	e := trace.Event{Kind: kind, Took: took}
	if err != nil {
		e.Note = errnoText(err)
	}
	c.trace.report(c.clock.Now(), direction, c.RemoteAddr(), e)
}

// traceEndLocked reports the end of a half's stream, unless that or a reset was reported.
func (h *streamHalf) traceEndLocked() {
	if t := h.endpoint.trace; t != nil && !t.ended[h.direction].Swap(true) {
		h.traceLocked(trace.Close, h.delivered, 0, 0, "")
	}
}

// traceReset reports a reset, once. A reset ends both directions.
func (c *Conn) traceReset(direction Direction, cause error) {
	t := c.trace
	if t == nil {
		return
	}
	in, out := t.ended[Read].Swap(true), t.ended[Write].Swap(true)
	if !in || !out {
		c.traceConn(trace.Reset, direction, 0, cause)
	}
}

// errnoText returns the text of a system call's error, without the call's name.
func errnoText(err error) string {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number.Error()
	}
	return err.Error()
}

// tracePieceLocked reports the impairments of a piece that has entered the link.
func (h *streamHalf) tracePieceLocked(piece netem.Piece) {
	if h.endpoint.trace == nil {
		return
	}
	arrived := 1
	if piece.Failed {
		arrived = 0
	}
	if piece.Sent > arrived+piece.Corrupted {
		h.traceLocked(trace.Drop, h.passed, piece.Bytes, 0, "loss")
	}
	if piece.Corrupted > 0 {
		h.traceLocked(trace.Drop, h.passed, piece.Bytes, 0, "corruption")
	}
	if delay := piece.Arrive - piece.Leave - h.link.Latency; delay > 0 && !piece.Pending {
		h.traceLocked(trace.Delay, h.passed, piece.Bytes, delay, "")
	}
}

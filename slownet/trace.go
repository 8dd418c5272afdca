package slownet

import (
	"net"
	"sync/atomic"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/departures"
	"github.com/slowpoetry/slowpoetry/internal/enum"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A Direction tells what is read from what is written, from where the wrapper
// is.
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

// DirectionOf tells which direction of a wrapped connection an event is about, which
// [Config.Trace] was told: Write if it comes from the connection's own address.
func DirectionOf(e trace.Event) Direction {
	if e.From == e.Conn.Host {
		return Write
	}
	return Read
}

// A tracing is the trace of a connection.
type tracing struct {
	told     func(trace.Event)
	name     trace.Conn
	departed [2]departures.Queue // of a stream, by direction; each guarded by its half's lock
}

// traced counts the connections that have traces.
var traced atomic.Uint64

// loaded is from when departures are counted. It has a monotonic reading, so that how
// long bytes took is right even if the system's clock was set meanwhile.
var loaded = time.Now()

func newTracing(told func(trace.Event), local net.Addr) *tracing {
	return &tracing{told: told, name: trace.Conn{Host: local.String(), Network: local.Network(), Number: traced.Add(1)}}
}

// report reports an event of a direction, which happens at a time. The remote address
// may be nil.
func (t *tracing) report(at time.Time, direction Direction, remote net.Addr, event trace.Event) {
	event.At, event.Conn = time.Duration(at.UnixNano()), t.name
	event.From, event.To = t.name.Host, t.peerName(remote)
	if direction == Read {
		event.From, event.To = event.To, event.From
	}
	t.told(event)
}

// peerName returns the name of the other end, which is never that of this one.
func (t *tracing) peerName(remote net.Addr) string {
	if remote == nil {
		return ""
	}
	name := remote.String()
	if name == t.name.Host {
		name += " (peer)"
	}
	return name
}

// traceLocked reports an event of a stream, if anybody wants to know.
func (h *streamHalf) traceLocked(kind trace.Kind, offset int64, n int, delay time.Duration, note string) {
	t := h.endpoint.trace
	if t == nil {
		return
	}
	now, took := h.endpoint.clock.Now(), delay
	switch at := now.Sub(loaded); kind {
	case trace.Send:
		t.departed[h.direction].Leave(at, n)
	case trace.Data:
		took = t.departed[h.direction].Arrive(at, n)
	}
	t.report(now, h.direction, h.conn.RemoteAddr(), trace.Event{Kind: kind, Offset: offset, Length: n, Took: took, Note: note})
}

// tracePieceLocked reports what befell a piece that has entered the link.
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

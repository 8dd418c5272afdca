package slownet

import (
	"net"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/enum"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
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

// A Kind is what happened in an [Event].
type Kind uint8

// What can happen.
const (
	// Queued: bytes were accepted. Those that are written wait for the link from
	// now on; those that are read have come out of the inner connection.
	Queued Kind = iota

	// Delayed: bytes that have entered the link arrive later, by Delay, than its
	// latency and rate alone would have it. It is told as soon as that is known.
	Delayed

	// Lost: bytes of a stream were lost and will be sent again, or were discarded
	// when the connection ended; or a datagram is gone. Cause says why.
	Lost

	// Delivered: bytes have arrived. Those that were written are in the inner
	// connection; those that are read were handed to the reader.
	Delivered

	// Faulted: a fault was made to happen, to both directions of a connection; it
	// is told once, as of the direction Write. Cause says which.
	Faulted
)

// String returns the kind in lower case, such as "queued".
func (k Kind) String() string {
	return enum.Name("Kind", int(k), "queued", "delayed", "lost", "delivered", "faulted")
}

// An Event is something that happened to bytes of a connection, or to a
// datagram. See [Config.Trace].
type Event struct {
	Time      time.Time // on the connection's clock
	Kind      Kind
	Direction Direction
	Local     net.Addr // of the connection
	Remote    net.Addr // of the connection, or of the datagram

	Offset int64         // of the first byte, in a stream; which datagram, counted from 0
	Bytes  int           // how many
	Delay  time.Duration // see Delayed
	Cause  string        // see Lost and Faulted
}

// traceLocked reports an event, if anybody wants to know.
func (h *streamHalf) traceLocked(kind Kind, offset int64, n int, delay time.Duration, cause string) {
	if h.endpoint.trace == nil {
		return
	}
	h.endpoint.report(Event{
		Kind: kind, Direction: h.direction, Remote: h.conn.RemoteAddr(),
		Offset: offset, Bytes: n, Delay: delay, Cause: cause,
	})
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
		h.traceLocked(Lost, h.passed, piece.Bytes, 0, "loss")
	}
	if piece.Corrupted > 0 {
		h.traceLocked(Lost, h.passed, piece.Bytes, 0, "corruption")
	}
	if delay := piece.Arrive - piece.Leave - h.link.Latency; delay > 0 && !piece.Pending {
		h.traceLocked(Delayed, h.passed, piece.Bytes, delay, "")
	}
}

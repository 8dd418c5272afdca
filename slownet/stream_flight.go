package slownet

import (
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A sentPiece is a piece in flight on an ideal stream.
type sentPiece struct {
	data    []byte
	arrive  time.Duration
	failed  bool // discarded instead of delivered
	pending bool // the arrival time is not known yet, see arrivalLocked

	// For the trace, if pending.
	offset int64
	due    time.Duration // arrival time without impairments
}

// newPieceLocked returns bytes that enter the link as a piece in flight.
func (h *streamHalf) newPieceLocked(data []byte, piece *netem.Piece) sentPiece {
	return sentPiece{
		data: data, arrive: piece.Arrive, failed: piece.Failed, pending: piece.Pending,
		offset: h.passed, due: piece.Leave + h.link.Latency,
	}
}

// arrivalLocked returns a piece's arrival time. If this piece or an earlier one was
// lost, the time may become known only later. It must be called for the pieces in order.
func (h *streamHalf) arrivalLocked(p *sentPiece) time.Duration {
	if p.pending {
		if at, ok := h.flow.Step(h.now()); ok {
			h.setArrivalLocked(p, at)
		}
	}
	return p.arrive
}

// nextArrivalLocked returns the arrival time of a piece or, while that is not known, the
// time at which more will be known.
func (h *streamHalf) nextArrivalLocked(p *sentPiece) time.Duration {
	if p.pending {
		return h.flow.Next()
	}
	return p.arrive
}

// setArrivalLocked sets the arrival time of a pending piece.
func (h *streamHalf) setArrivalLocked(p *sentPiece, at time.Duration) {
	p.arrive, p.pending = at, false
	if delay := at - p.due; delay > 0 {
		h.traceLocked(trace.Delay, p.offset, len(p.data), delay, "")
	}
}

// transmitEndLocked sends the end of the stream after everything in flight, and
// returns its arrival time. Nothing is sent after it that could reveal losses.
func (h *streamHalf) transmitEndLocked(flight []sentPiece) time.Duration {
	end := h.sendLocked(h.now(), 0)
	for i := range flight {
		if p := &flight[i]; p.pending {
			at, _ := h.flow.Step(h.flow.Next())
			h.setArrivalLocked(p, at)
		}
	}
	for ok := end.Pending; ok; { // after the discarded bytes, if there are any
		var at time.Duration
		if at, ok = h.flow.Step(h.flow.Next()); ok {
			end.Arrive = at
		}
	}
	return end.Arrive
}

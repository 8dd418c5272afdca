package slownet

import (
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// flying is a piece in flight on an ideal stream.
type flying struct {
	data    []byte
	arrive  time.Duration
	failed  bool // it is given up instead
	pending bool // arrive is not known, see arrivalLocked

	// For the trace, if it is pending.
	offset int64
	due    time.Duration // when it would arrive if nothing befell it
}

// flyingLocked returns bytes that enter the link as a piece.
func (h *streamHalf) flyingLocked(data []byte, piece *netem.Piece) flying {
	return flying{
		data: data, arrive: piece.Arrive, failed: piece.Failed, pending: piece.Pending,
		offset: h.passed, due: piece.Leave + h.link.Latency,
	}
}

// arrivalLocked returns when a piece arrives. If it was lost, or one before it, that
// may become known only later: it is asked for the pieces in their order.
func (h *streamHalf) arrivalLocked(p *flying) time.Duration {
	if p.pending {
		if at, ok := h.flow.Step(h.now()); ok {
			h.knownLocked(p, at)
		}
	}
	return p.arrive
}

// nextArrivalLocked returns when a piece arrives, or it is known more of that.
func (h *streamHalf) nextArrivalLocked(p *flying) time.Duration {
	if p.pending {
		return h.flow.Next()
	}
	return p.arrive
}

// knownLocked says when a piece arrives that was pending.
func (h *streamHalf) knownLocked(p *flying, at time.Duration) {
	p.arrive, p.pending = at, false
	if delay := at - p.due; delay > 0 {
		h.traceLocked(trace.Delay, p.offset, len(p.data), delay, "")
	}
}

// launchEndLocked puts the end of the stream on its way, after all that is in flight,
// and returns when it arrives. Nothing is sent after it that could tell of losses.
func (h *streamHalf) launchEndLocked(flight []flying) time.Duration {
	end := h.sendLocked(h.now(), 0)
	for i := range flight {
		if p := &flight[i]; p.pending {
			at, _ := h.flow.Step(h.flow.Next())
			h.knownLocked(p, at)
		}
	}
	for ok := end.Pending; ok; { // after what was discarded, if anything was
		var at time.Duration
		if at, ok = h.flow.Step(h.flow.Next()); ok {
			end.Arrive = at
		}
	}
	return end.Arrive
}

package wire

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/heap"
)

// A flight holds the packets in flight, in order of arrival.
type flight = heap.Heap[flying]

type flying struct {
	at     time.Duration
	order  uint64
	packet []byte
}

// Before orders packets by arrival, and then by the order in which they were sent.
func (f flying) Before(other flying) bool {
	return f.at < other.at || f.at == other.at && f.order < other.order
}

// Moved does nothing: only the first packet is removed.
func (flying) Moved(int) {}

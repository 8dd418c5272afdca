package simtest

import (
	"github.com/slowpoetry/slowpoetry/slownet/trace"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
)

// A shape is a coarse digest of a trace: of the kinds and hosts of its events, in
// order. Repeated events count once, so that a transfer has the same shape regardless
// of the number of segments.
type shape struct {
	digest   uint64
	kind     trace.Kind
	from, to string
}

// event adds an event.
func (s *shape) event(e trace.Event) {
	if e.Kind == s.kind && e.From == s.from && e.To == s.to {
		return
	}
	s.kind, s.from, s.to = e.Kind, e.From, e.To
	s.digest = mix64.Mix(s.digest, uint64(e.Kind))
	s.digest = mix64.String(s.digest, e.From)
	s.digest = mix64.String(s.digest, e.To)
}

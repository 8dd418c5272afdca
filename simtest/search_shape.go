package simtest

import (
	"github.com/slowpoetry/slowpoetry/slownet/trace"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
)

// A shape is what a trace looks like from far: a digest of the kinds of events and
// of their hosts, in their order. An event like the one before it does not count,
// so that a transfer has the same shape in however many segments it comes.
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

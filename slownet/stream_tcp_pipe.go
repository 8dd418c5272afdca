package slownet

import (
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A pipe sends segments over the line of a lane.
type pipe struct {
	half *streamHalf
	lane *lane
	id   netem.PacketID
}

// Send implements [netem.Pipe].
func (p *pipe) Send(now time.Duration, s *netem.Segment) netem.Fate {
	fate := p.send(now, s)
	if p.half.endpoint.trace != nil && p.lane == &p.half.lane {
		if why := whyLost(&fate); why != "" {
			p.half.traceLostLocked(s, why)
		}
	}
	return fate
}

// whyLost returns the reason for a segment's loss, or "" if the segment arrives or may
// still arrive.
func whyLost(fate *netem.Fate) string {
	switch fate.Drop {
	case netem.Queued:
		return ""
	case netem.NotDropped:
		for _, packet := range fate.Packets[:fate.Count] {
			if packet.Flip < 0 {
				return ""
			}
		}
		return "corruption"
	default:
		return fate.Drop.String()
	}
}

func (p *pipe) send(now time.Duration, s *netem.Segment) netem.Fate {
	var tag any
	mine := p.half.tcp
	if p.lane.hasDiscipline() {
		tag = &queuedSegment{*s, p.half, mine, p.lane == &p.half.lane}
	}
	l := p.lane.line
	at := l.begin(now + mine.stallTime)
	defer l.end(p.half.endpoint)
	p.id.Number++
	size := s.Size()
	if link := p.lane.link; link.MTU > 0 && !link.DropOversize {
		size = min(size, link.MTU) // the sender knows the MTU, which does not count headers
	}
	fate := l.inner.Send(at, size, p.id, tag)
	for i := range fate.Packets[:fate.Count] {
		fate.Packets[i].Arrive -= mine.stallTime
	}
	return fate
}

// traceLostLocked reports a lost segment, if it has data.
func (h *streamHalf) traceLostLocked(s *netem.Segment, why string) {
	if s.Len > 0 {
		h.traceLocked(trace.Drop, s.Seq, s.Len, 0, why)
	}
}

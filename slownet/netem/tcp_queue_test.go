package netem_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// If an acknowledgement is lost, one selective acknowledgement can report two
// segments, the later one in its first block. That does not count as reordering of
// segments that arrived in order: the retransmission is sent with the third
// acknowledgement, without waiting.
func TestLostAcknowledgementIsNoReordering(t *testing.T) {
	link := netem.Link{Latency: 50 * time.Millisecond, Rate: 10 * netem.Mbps}
	p := newPath(netem.TCP{}, netem.NewPacketFlow(link, 1), netem.NewPacketFlow(link, 2))
	p.ends[0].drop = func(nth int, _ *netem.Segment) bool { return nth == 2 || nth == 5 }
	acknowledgements := 0
	p.ends[1].lose = func(*netem.Segment) bool {
		acknowledgements++
		return acknowledgements == 4 // of the segment with number 4
	}
	start := p.now
	p.write(0, 10*netem.MSS)
	for p.ends[1].arrived < 10*netem.MSS {
		assert.True(t, p.step())
	}
	var again []sent
	for _, s := range p.ends[0].sent[2:] {
		if s.at > start && s.segment.Len > 0 {
			again = append(again, s)
		}
	}
	assert.Len(t, again, 2)
	assert.EqualValues(t, 2*netem.MSS, again[0].segment.Seq)
	assert.Less(t, again[0].at-start, 110*time.Millisecond, "a round trip and seven segments")
}

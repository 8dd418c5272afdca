package netem

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// Through an MTU black hole a request passes, but an answer that fills a packet
// never arrives: the sender gives up after sending it 16 times.
func TestStreamHangsInAnMTUBlackHole(t *testing.T) {
	for name, link := range map[string]Link{
		"latency alone": {Latency: 10 * ms},
		"a rate":        {Latency: 10 * ms, Rate: 12 * Mbps},
		"losses":        {Latency: 10 * ms, Loss: Loss{Random: 1e-9}},
		"a replay":      {Latency: 10 * ms, Replay: replayOf(1)},
	} {
		link.MTU, link.DropOversize = 1400, true
		assert.NoError(t, link.Validate())
		assert.Equal(t, 1500, link.PacketSize())
		f := NewFlow(link, 0)
		small := f.Send(0, 1400)
		assert.Equal(t, Piece{Bytes: 1400, Leave: small.Leave, Arrive: small.Leave + 10*ms, Sent: 1}, small, name)
		large := alone(f, ms, 1_000_000)
		assert.True(t, large.Failed, name)
		assert.Equal(t, 16, large.Sent, name)
		assert.Zero(t, large.Corrupted, name)
		assert.Greater(t, large.Arrive, 10*time.Minute, name)
	}
}

// Without a black hole, streams use the MTU as the size of their packets, and a
// black hole with a large enough MTU has no effect.
func TestStreamsWithoutAnMTUBlackHole(t *testing.T) {
	for _, link := range []Link{
		{Rate: 12 * Mbps, MTU: 1400},
		{Rate: 12 * Mbps, MTU: 1500, DropOversize: true},
		{Rate: 12 * Mbps, MTU: 9000, DropOversize: true},
	} {
		for _, piece := range sendAll(NewFlow(link, 0), 0, 20_000) {
			assert.False(t, piece.Failed)
			assert.LessOrEqual(t, piece.Bytes, link.MTU)
		}
	}
	assert.True(t, (&Link{MTU: 1500, DropOversize: true}).ArrivesAtOnce())
	assert.False(t, (&Link{MTU: 1499, DropOversize: true}).ArrivesAtOnce())
}

// Datagrams and segments that are too large are dropped, with and without an MTU black
// hole.
func TestDatagramsInAnMTUBlackHole(t *testing.T) {
	for _, drops := range []bool{false, true} {
		f := NewPacketFlow(Link{MTU: 1400, DropOversize: drops}, 0)
		_, drop := f.Send(0, 1401)
		assert.Equal(t, DroppedByMTU, drop)
		_, drop = f.Send(0, 1400)
		assert.Equal(t, NotDropped, drop)
	}
}

package netem_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// reorder makes segments 0 to 9 arrive, the last one first.
func (e *sendingEnd) reorder() {
	e.acknowledge(200, 0, block{9, 10})
	e.acknowledge(200, 10)
	require.Empty(e.t, e.resent)
}

// waits makes a gap of one segment arrive, from the given one on, and returns the time until
// it is retransmitted, in quarters of a round trip.
func (e *sendingEnd) waits(ms time.Duration, number int64) int {
	before, at := len(e.resent), ms*time.Millisecond
	e.acknowledge(ms, number, block{number + 1, number + 4})
	if len(e.resent) == before {
		e.expire()
	}
	require.Equal(e.t, number, e.resent[before])
	return int((e.now - at) / (peerRoundTrip / 4))
}

// Where segments are reordered, the sender waits for a quarter of a round trip before it
// retransmits a segment.
func TestTheReorderingWindow(t *testing.T) {
	e := newSendingEnd(t)
	assert.Equal(t, 0, e.waits(200, 0))
	e = newSendingEnd(t)
	e.reorder()
	assert.Equal(t, 1, e.waits(300, 10))
}

// Where nothing is reordered, a duplicate does not make the sender wait.
func TestADuplicateWithoutReordering(t *testing.T) {
	e := newSendingEnd(t)
	e.acknowledge(201, 0, block{1, 10})
	e.acknowledge(210, 10) // 0 was late
	e.acknowledge(301, 10, block{0, 1})
	assert.Equal(t, 0, e.waits(302, 10))
	e.acknowledgeAll(403)
	last := e.highest / netem.MSS
	e.acknowledge(503, last-2, block{last - 1, last})
	e.acknowledge(503, last) // reordered
	assert.Equal(t, 1, e.waits(604, last))
}

// Where segments are reordered, the sender waits longer after a duplicate of a
// retransmission, but not after one of a loss probe. After 16 recoveries without a
// duplicate, it waits for a quarter again.
func TestADuplicateAfterReordering(t *testing.T) {
	e := newSendingEnd(t)
	e.reorder()
	require.Equal(t, 1, e.waits(300, 10))
	e.acknowledge(335, 14) // 10 was late
	e.acknowledge(428, 14, block{10, 11})
	ms, number := time.Duration(440), int64(14)
	for i := range 17 {
		quarters := 2
		if i == 16 {
			quarters = 1
		}
		require.Equal(t, quarters, e.waits(ms, number), i)
		ms = e.now/time.Millisecond + 101
		number = e.highest / netem.MSS
		e.Write(e.now, 100*netem.MSS)
		e.acknowledge(ms, number)
		ms += 101
	}

	e = newSendingEndOf(t, 20)
	e.reorder()
	e.expire()
	require.Equal(t, []int64{19}, e.resent)
	at := e.now / time.Millisecond
	e.Write(e.now, 10*netem.MSS)
	e.output()
	e.acknowledge(at+100, 20, block{19, 20})
	e.acknowledge(at+101, 21)
	assert.Equal(t, 1, e.waits(at+102, 21))
}

// A duplicate of a retransmission shows reordering if the segment was known to have arrived,
// even if it is a loss probe.
func TestADuplicateShowsReordering(t *testing.T) {
	for _, isKnown := range []bool{false, true} {
		e := newSendingEnd(t)
		e.acknowledge(200, 0, block{2, 10})
		require.Equal(t, []int64{0, 1}, e.resent)
		if isKnown {
			e.acknowledge(205, 0, block{1, 10})
		}
		e.acknowledge(300, 0, block{1, 2}, block{1, 10})
		last := e.highest / netem.MSS
		e.acknowledgeAll(301)
		assert.Equal(t, isKnown, e.waits(420, last) == 1)
	}

	e := newSendingEndOf(t, 10)
	e.expire()
	require.Equal(t, []int64{9}, e.resent)
	e.acknowledge(305, 0, block{9, 10})
	e.acknowledge(402, 0, block{9, 10}, block{9, 10})
	e.expire()
	at := e.now / time.Millisecond
	for i, ack := range []int64{1, 3, 7, 10} { // the others were lost
		e.acknowledge(at+100*time.Duration(i+1), ack)
	}
	require.Equal(t, []int64{9, 0, 1, 2, 3, 4, 5, 6, 7, 8}, e.resent)
	e.Write(e.now, 10*netem.MSS)
	e.output()
	assert.Equal(t, 1, e.waits(at+500, 10))
}

// A loss probe that is a duplicate shows that nothing was lost. A duplicate of another
// segment does not.
func TestALossProbeRepairsALoss(t *testing.T) {
	for _, test := range []struct {
		duplicate block
		window    int
	}{{block{19, 20}, 20 + 11 + 1}, {block{4, 5}, 14}} {
		e := newSendingEndOf(t, 10)
		e.acknowledgeAll(200)
		e.Write(e.now, 10*netem.MSS)
		e.output()
		e.expire()
		require.Equal(t, []int64{19}, e.resent)
		require.Equal(t, 20, e.window())
		e.Write(e.now, 5*netem.MSS)
		e.output()
		e.acknowledge(e.now/time.Millisecond+100, 21, test.duplicate)
		assert.Equal(t, test.window, e.window(), test.duplicate)
	}
}

// Segments are expected to take the round trip of the last segment that arrived, although one
// sent later took less.
func TestAnEarlySegment(t *testing.T) {
	e := newSendingEnd(t)
	e.acknowledge(150, 0, block{9, 10})
	e.expire() // the others seem to be lost
	require.Less(t, e.now, 200*time.Millisecond)
	require.Equal(t, []int64{0}, e.resent)
	e.acknowledge(200, 1)
	assert.True(t, e.IsUndone())
	assert.Equal(t, []int64{0}, e.resent)
}

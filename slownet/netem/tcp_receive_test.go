package netem_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// acknowledged returns the bytes and the window of each acknowledgement, while
// n segments are sent, some of which are lost at first.
func acknowledged(t *testing.T, n int, lost ...int) (bytes []int64, windows []int) {
	link := netem.Link{Latency: 50 * time.Millisecond, Rate: 10 * netem.Mbps}
	p := newPath(netem.TCP{}, netem.NewPacketFlow(link, 1), netem.NewPacketFlow(link, 2))
	p.ends[0].drop = func(nth int, _ *netem.Segment) bool {
		for _, l := range lost {
			if nth == l {
				return true
			}
		}
		return false
	}
	p.write(0, n*netem.MSS)
	for p.ends[0].end.Unacked() > 0 {
		assert.True(t, p.step())
	}
	for _, s := range p.ends[1].sent {
		if s.segment.Flags == netem.ACK {
			bytes = append(bytes, s.segment.Ack)
			windows = append(windows, s.segment.Window)
		}
	}
	return bytes, windows
}

// The first 16 segments are acknowledged one by one, not counting those that
// open the window: 22 in all, as with Linux. After that, every second one is.
func TestQuickAcknowledgements(t *testing.T) {
	bytes, _ := acknowledged(t, 30)
	var steps []int64
	for i, b := range bytes {
		if i > 0 {
			b -= bytes[i-1]
		}
		steps = append(steps, b/netem.MSS)
	}
	want := make([]int64, 22, 26)
	for i := range want {
		want[i] = 1
	}
	assert.Equal(t, append(want, 2, 2, 2, 2), steps)
}

// Bytes that the application can read at once because of a retransmission count for the
// round trip that begins with the retransmission, so the window does not grow at once.
func TestWindowAfterAGap(t *testing.T) {
	_, windows := acknowledged(t, 30, 5)
	assert.Equal(t, windows[10], windows[len(windows)-1], "%v", windows)
}

// The timestamp of a segment that was acknowledged before is not echoed, unless it is the
// last one.
func TestTheTimestampOfADuplicate(t *testing.T) {
	e := newSendingEnd(t)
	echo := func(number int64, sent time.Duration) time.Duration {
		e.Input(e.now, &netem.Segment{Flags: netem.ACK, Seq: number * netem.MSS, Len: netem.MSS, Window: peerWindow, TSVal: sent})
		answer, ok := e.Output(e.now)
		require.True(t, ok)
		return answer.TSEcr
	}
	const ms = time.Millisecond
	assert.Equal(t, 50*ms, echo(0, 50*ms))
	assert.Equal(t, 51*ms, echo(1, 51*ms))
	assert.Equal(t, 51*ms, echo(0, 60*ms))
	assert.Equal(t, 61*ms, echo(1, 61*ms))
}

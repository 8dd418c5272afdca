package netem_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// acknowledged returns the numbers of bytes that each acknowledgement is for, and the
// windows, while n segments are sent of which some are lost when they are sent first.
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

// The first 16 segments are acknowledged one by one, and those that open the window
// do not count: in all 22, as with Linux. Then it is every second one.
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

// What a retransmission lets the application read all at once counts as read in the
// round trip that begins with it, so the window does not grow at once.
func TestWindowAfterAGap(t *testing.T) {
	_, windows := acknowledged(t, 30, 5)
	assert.Equal(t, windows[10], windows[len(windows)-1], "%v", windows)
}

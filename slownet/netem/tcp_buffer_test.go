package netem_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// The write buffer has twice the size that the application requests, within
// Linux's bounds.
func TestWriteBufferIsTwiceTheRequestedSize(t *testing.T) {
	for asked, want := range map[int]int{-1: 8 << 20, 0: 4608, 1: 4608, 2304: 4608, 2305: 4610, 65536: 131072, 1 << 30: 8 << 20} {
		end := netem.NewEnd(netem.TCP{}, 0, time.Millisecond)
		end.SetWriteBuffer(asked)
		assert.Equal(t, want, end.Room(0), asked)
	}
}

// A transfer moves one buffer per round trip of 100 ms. Both buffers have 2 x
// 32 KiB; in the receiver's, each segment takes 2,304 bytes.
func TestBuffersBoundATransfer(t *testing.T) {
	link := netem.Link{Latency: 50 * time.Millisecond}
	const n = 2_000_000
	for name, test := range map[string]struct {
		set       func(*netem.Transfer)
		perRound  float64
		unlimited bool
	}{
		"write buffer": {func(tr *netem.Transfer) { tr.SetWriteBuffer(32 << 10) }, 64 << 10, false},
		"read buffer":  {func(tr *netem.Transfer) { tr.SetReadBuffer(32 << 10) }, (64 << 10) * float64(netem.MSS) / 2304, false},
		"none":         {func(*netem.Transfer) {}, 0, true},
	} {
		tr := netem.NewTransfer(netem.TCP{}, 0, 2*link.Latency, newPipe(link, 1), newPipe(link, 2))
		test.set(tr)
		took := transferTime(t, tr, n)
		if test.unlimited {
			assert.Less(t, took, time.Second, name)
			continue
		}
		want := time.Duration(n / test.perRound * 0.1 * float64(time.Second))
		assert.InEpsilon(t, want, took, 0.15, "%s: %v instead of %v", name, took, want)
	}
}

// A longestWait is a line that notes how long packets wait, and how many are dropped.
type longestWait struct {
	*netem.PacketFlow
	wait    time.Duration
	dropped int
}

func (l *longestWait) Send(now time.Duration, n int) ([]netem.Packet, netem.Drop) {
	packets, drop := l.PacketFlow.Send(now, n)
	for _, packet := range packets {
		l.wait = max(l.wait, packet.Arrive-now)
	}
	if drop != netem.NotDropped {
		l.dropped++
	}
	return packets, drop
}

// A large queue fills: the window grows with the round trip, of which the queue is a part.
// 1,000 packets take 2.4 s, and with a kernel as the receiver a ping over this path takes
// 2.3 s.
func TestTheWindowGrowsWithTheQueue(t *testing.T) {
	link := netem.Link{Latency: 10 * time.Millisecond, Rate: 5 * netem.Mbps}
	line := &longestWait{PacketFlow: netem.NewPacketFlow(link, 1)}
	p := newPath(netem.TCP{}, line, netem.NewPacketFlow(netem.Link{Latency: 10 * time.Millisecond}, 2))
	const n = 15_000_000
	p.write(0, n)
	for p.ends[1].arrived < n && p.step() {
	}
	require.EqualValues(t, n, p.ends[1].arrived)
	assert.InDelta(t, 2.41, line.wait.Seconds(), 0.01)
	assert.Positive(t, line.dropped)
}

// The buffers grow in the same way where an int has 32 bits: a fast transfer takes the same
// time on every platform.
func TestAFastTransferOnEveryPlatform(t *testing.T) {
	link := netem.Link{Latency: 50 * time.Millisecond, Rate: 200 * netem.Mbps}
	tr := netem.NewTransfer(netem.TCP{}, 0, 2*link.Latency, newPipe(link, 1), newPipe(link, 2))
	assert.Equal(t, 2_638_451_200*time.Nanosecond, transferTime(t, tr, 40_000_000))
}

// However small the buffers are, all bytes arrive.
func TestBuffersOfAnySizeLoseNothing(t *testing.T) {
	for _, bytes := range []int{0, 1, 1000, 5000, 100_000} {
		for _, loss := range []float64{0, 0.05} {
			link := netem.Link{Latency: 5 * time.Millisecond, Rate: 10 * netem.Mbps, Loss: netem.Loss{Random: loss}}
			tr := netem.NewTransfer(netem.TCP{}, 0, 2*link.Latency, newPipe(link, 1), newPipe(link, 2))
			tr.SetReadBuffer(bytes)
			tr.SetWriteBuffer(bytes)
			transferTime(t, tr, 200_000)
		}
	}
}

// A window that was advertised is not revoked: bytes sent within it arrive.
func TestAShrinkingBufferAcceptsTheOfferedWindow(t *testing.T) {
	link := netem.Link{Latency: 5 * time.Millisecond}
	tr := netem.NewTransfer(netem.TCP{}, 0, 2*link.Latency, newPipe(link, 1), newPipe(link, 2))
	tr.Write(0, 10*netem.MSS)
	tr.SetReadBuffer(1)
	tr.Advance(link.Latency)
	assert.EqualValues(t, 10*netem.MSS, tr.Received())
}

// The size of the send buffer depends on the MTU. The numbers are what Linux
// 6.18 accepts from a program that writes 100,000 bytes at a time to a peer that
// has vanished: 20 segments, which take 2,304 to 131,328 bytes each in memory.
func TestSendBufferOfPackets(t *testing.T) {
	for mtu, taken := range map[int]int{576: 70_216, 1500: 46_336, 4000: 165_816, 9000: 331_076, 65535: 2_588_316} {
		end := netem.NewEnd(netem.TCP{}, 0, 1)
		end.SetMTU(mtu)
		assert.InEpsilon(t, taken, end.Room(0), 0.01, "MTU %d: %d", mtu, end.Room(0))
	}
}

// RoomAtLeast is a full segment while one could be sent at once, and otherwise zero.
func TestRoomAtLeast(t *testing.T) {
	end := netem.NewEnd(netem.TCP{}, 0, time.Millisecond)
	assert.Equal(t, netem.MSS, end.RoomAtLeast(0))
	assert.Zero(t, end.RoomAtLeast(1), "bytes that it has not been told of")
	end.Write(0, 9*netem.MSS)
	assert.Zero(t, end.RoomAtLeast(0), "unsent bytes")
	send := func() {
		for {
			if _, ok := end.Output(0); !ok {
				return
			}
		}
	}
	send()
	assert.Equal(t, netem.MSS, end.RoomAtLeast(0), "one more segment fits the congestion window")
	end.Write(0, netem.MSS)
	send()
	assert.Zero(t, end.RoomAtLeast(0), "the congestion window is full")
	assert.Positive(t, end.Room(0))

	end = netem.NewEnd(netem.TCP{}, 0, time.Millisecond)
	end.SetWriteBuffer(10_000)
	assert.Zero(t, end.RoomAtLeast(0), "a buffer of a fixed size")
}

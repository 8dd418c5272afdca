package netem

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shareUntil lets greedy flows send until the given time, each as soon as it is free,
// and returns the number of bytes of each that have left by then. Of flows that
// become free at the same time, the one that has waited longest goes first.
func shareUntil(until time.Duration, flows ...*Flow) (left []int) {
	left = make([]int, len(flows))
	last := make([]int, len(flows))
	for turn := 1; ; turn++ {
		next := 0
		for i, f := range flows {
			if f.Free() < flows[next].Free() || f.Free() == flows[next].Free() && last[i] < last[next] {
				next = i
			}
		}
		f := flows[next]
		last[next] = turn
		if f.Free() >= until {
			return left
		}
		if piece := f.Send(f.Free(), 1500); piece.Leave <= until {
			left[next] += piece.Bytes
		}
	}
}

// Two to five greedy flows have equal shares, to within a packet, and use the
// whole capacity together.
func TestBottleneckIsShared(t *testing.T) {
	const until = 10 * time.Second
	for name, bottleneck := range map[string]func() *Bottleneck{
		"rate":   func() *Bottleneck { return NewBottleneck(12 * Mbps) },
		"replay": func() *Bottleneck { return NewReplayBottleneck(replayOf(1, 2, 2, 4)) }, // the same on average
	} {
		for n := 2; n <= 5; n++ {
			shared := bottleneck()
			var flows []*Flow
			for range n {
				flows = append(flows, NewFlow(Link{Latency: ms, Bottleneck: shared}, 0))
			}
			left := shareUntil(until, flows...)
			sum := 0
			for _, bytes := range left {
				sum += bytes
				assert.InDelta(t, left[0], bytes, 1500, "%s, %d flows", name, n)
			}
			assert.Equal(t, 10*1_500_000, sum, "%s, %d flows: 12 Mbit/s for 10 s", name, n)
		}
	}
}

// Flows take turns by packets: a flow with packets of 500 bytes gets a third of
// the bytes of a flow with packets of 1,500.
func TestBottleneckAndSmallPackets(t *testing.T) {
	shared := NewBottleneck(8 * Mbps)
	large := NewFlow(Link{Bottleneck: shared}, 0)
	small := NewFlow(Link{Bottleneck: shared, MTU: 500}, 0)
	left := shareUntil(10*time.Second, large, small)
	assert.InDelta(t, 7_500_000, left[0], 1500)
	assert.InDelta(t, 2_500_000, left[1], 500)
}

// A flow that stops, or is slowed down by its own pace, leaves the rest of the capacity
// to the others.
func TestBottleneckIsLeftToTheOthers(t *testing.T) {
	shared := NewBottleneck(12 * Mbps)
	first, second := NewFlow(Link{Bottleneck: shared}, 0), NewFlow(Link{Bottleneck: shared}, 0)
	left := shareUntil(time.Second, first, second)
	assert.Equal(t, []int{750_000, 750_000}, left)
	assert.Equal(t, []int{1_498_500}, shareUntil(2*time.Second, first), "all but the second's last packet, which was on its way")

	shared = NewBottleneck(12 * Mbps)
	first = NewFlow(Link{Bottleneck: shared}, 0)
	paced := NewFlow(Link{Bottleneck: shared, Pace: Pace{1500, 98 * ms}}, 0)
	left = shareUntil(10*time.Second, paced, first)
	assert.Equal(t, []int{102 * 1500, 15_000_000 - 102*1500}, left, "a packet takes 1 ms, and then comes the wait: 1, 100, ... 10,000 ms")
}

// A changed rate applies from the next packet on: 1,500 bytes take 12 ms at 1
// Mbit/s, 6 ms at 2 Mbit/s, and nothing without a limit.
func TestBottleneckSetRate(t *testing.T) {
	shared := NewBottleneck(Mbps)
	f := NewFlow(Link{Bottleneck: shared}, 0)
	assert.Equal(t, 12*ms, f.Send(0, 1500).Leave)
	shared.SetRate(2 * Mbps)
	assert.Equal(t, 18*ms, f.Send(0, 1500).Leave)
	shared.SetRate(0)
	assert.Equal(t, 18*ms, f.Send(0, 1500).Leave)

	const negative = "Rate is -1bit/s: it must be 0 (no limit) or more"
	assert.PanicsWithValue(t, "netem: NewBottleneck: "+negative, func() { NewBottleneck(-1) })
	assert.PanicsWithValue(t, "netem: SetRate: "+negative, func() { shared.SetRate(-1) })
	assert.PanicsWithValue(t, "netem: NewReplayBottleneck: the Replay is empty: it must come from ParseReplay", func() { NewReplayBottleneck(new(Replay)) })
	assert.PanicsWithValue(t, "netem: SetRate: the bottleneck is a replay, which has no rate to be set",
		func() { NewReplayBottleneck(replayOf(1)).SetRate(Mbps) })
}

// Flows that began at different times share the single time line of a bottleneck: 1,500
// bytes of a flow that began 10 s later wait for the bytes of the other flow.
func TestBottleneckOrigins(t *testing.T) {
	for _, later := range []time.Duration{10 * time.Second, -10 * time.Second} {
		shared := NewBottleneck(Mbps)
		first, second := NewFlow(Link{Bottleneck: shared}, 0), NewFlow(Link{Bottleneck: shared}, 0)
		begin := time.Unix(1e9, 0)
		first.Line().Join(begin)
		second.Line().Join(begin.Add(later))
		now := time.Minute
		assert.Equal(t, now+12*ms, first.Send(now, 1500).Leave)
		assert.Equal(t, now-later+24*ms, second.Send(now-later, 1500).Leave)
		assert.Equal(t, timeline.End, second.Send(timeline.End, 1).Leave)
		assert.Equal(t, timeline.End, first.Send(timeline.End, 1).Leave)
		second.SetLink(Link{Rate: Mbps})
		assert.Zero(t, second.line.state.shift)
	}
}

// Streams and datagrams share a bottleneck.
func TestBottleneckOfDatagrams(t *testing.T) {
	shared := NewBottleneck(Mbps)
	stream, datagrams := NewFlow(Link{Bottleneck: shared}, 0), NewPacketFlow(Link{Bottleneck: shared}, 0)
	assert.Equal(t, 12*ms, stream.Send(0, 1500).Leave)
	packets, drop := datagrams.Send(0, 3000)
	assert.Equal(t, NotDropped, drop)
	assert.Equal(t, []Packet{{36 * ms, 36 * ms, -1}}, packets)
	assert.Equal(t, 48*ms, stream.Send(12*ms, 1500).Leave)
}

// Whatever its flows are like, a bottleneck never passes more bytes than its
// rate allows.
func TestBottleneckProperties(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		rate := Rate(1 + random.Int64N(int64(100*Mbps)))
		shared := NewBottleneck(rate)
		flows := make([]*Flow, 2+random.IntN(4))
		for i := range flows {
			link := randomLink(random)
			link.Rate, link.Replay, link.Bottleneck = 0, nil, shared
			flows[i] = NewFlow(link, seed)
		}
		now, wants := make([]time.Duration, len(flows)), make([]int, len(flows))
		var bytes, last, busy time.Duration
		for range 200 {
			next := 0
			for i, f := range flows {
				if max(now[i], f.Free()) < max(now[next], flows[next].Free()) {
					next = i
				}
			}
			f := flows[next]
			if wants[next] == 0 {
				wants[next] = 1 + random.IntN(5000)
			}
			at := max(now[next], f.Free())
			piece := f.Send(at, wants[next])
			if wants[next] -= piece.Bytes; wants[next] == 0 {
				now[next] = at + time.Duration(random.Int64N(int64(time.Second)))
			}
			passing := time.Duration(float64(piece.Bytes) * 8e9 / float64(rate))
			if piece.Leave < max(at, last)+passing-2 {
				t.Fatalf("seed %d, %v: %+v leaves less than %v after %v and %v", seed, rate, piece, passing, at, last)
			}
			last = piece.Leave
			bytes += time.Duration(piece.Bytes * piece.Sent)
			busy = max(busy, f.Free(), last)
		}
		if need := time.Duration(float64(bytes) * 8e9 / float64(rate)); busy < need-200 {
			t.Fatalf("seed %d, %v: %d bytes need %v and took %v", seed, rate, bytes, need, busy)
		}
	}
}

// Goroutines that use a bottleneck at the same time share its capacity, in
// whatever order: 4 x 500 packets of 1,500 bytes take 2 s at 12 Mbit/s.
func TestBottleneckAndGoroutines(t *testing.T) {
	shared := NewBottleneck(12 * Mbps)
	shared.Share(new(sync.Mutex))
	var last [4]time.Duration
	var all sync.WaitGroup
	for i := range last {
		all.Go(func() {
			f := NewFlow(Link{Bottleneck: shared}, 0)
			f.Line().Join(time.Unix(1e9, 0))
			for range 500 {
				piece := f.Send(0, 1500)
				if piece.Leave <= last[i] {
					t.Errorf("%v comes after %v", piece.Leave, last[i])
				}
				last[i] = piece.Leave
				shared.SetRate(12 * Mbps)
			}
		})
	}
	all.Wait()
	require.Equal(t, 2*time.Second, max(last[0], last[1], last[2], last[3]))
}

// A bottleneck that was reset is idle, with the same rate.
func TestBottleneckReset(t *testing.T) {
	bottleneck := NewBottleneck(8 * Kbps)
	link := Link{Bottleneck: bottleneck}
	flow := NewFlow(link, 0)
	assert.Equal(t, time.Second, flow.Send(0, 1000).Arrive)
	assert.Equal(t, 2*time.Second, NewFlow(link, 0).Send(0, 1000).Arrive)
	bottleneck.Reset()
	assert.Equal(t, time.Second, NewFlow(link, 0).Send(0, 1000).Arrive)
}

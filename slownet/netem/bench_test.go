package netem

import (
	"testing"
	"time"
)

// benchmarkLinks returns the simplest link, and one with every feature.
func benchmarkLinks() map[string]Link {
	return map[string]Link{
		"plain": {Latency: ms, Rate: Gbps},
		"everything": {
			Latency: 50 * ms, Jitter: Jitter{Deviation: 10 * ms, Distribution: ParetoNormal, Correlation: 0.25},
			Bottleneck: NewBottleneck(Gbps), Pace: Pace{64 << 10, time.Microsecond}, Queue: Queue{Bytes: 1 << 20}, MTU: 1500,
			Loss:      Loss{GilbertElliott: GilbertElliott{P: 0.01, R: 0.3, LossBad: 0.9, LossGood: 0.001}},
			Duplicate: Chance{0.01, 0.1}, Corrupt: Chance{0.01, 0.1}, Reorder: Chance{0.1, 0.5},
		},
		"replay": {Replay: replayOf(1, 1, 2, 5, 7, 7, 7, 10)},
	}
}

func BenchmarkFlowSend(b *testing.B) {
	for name, link := range benchmarkLinks() {
		b.Run(name, func(b *testing.B) {
			f := NewFlow(link, 1)
			f.Send(0, 1500)
			b.ReportAllocs()
			b.SetBytes(1500)
			for b.Loop() {
				f.Send(f.Free(), 1500)
			}
		})
	}
}

func BenchmarkPacketFlowSend(b *testing.B) {
	for name, link := range benchmarkLinks() {
		b.Run(name, func(b *testing.B) {
			f := NewPacketFlow(link, 1)
			now := time.Duration(0)
			for range 10_000 { // until its queue is as long as it gets
				f.Send(now, 1500)
				now += 10 * time.Microsecond
			}
			b.ReportAllocs()
			b.SetBytes(1500)
			for b.Loop() {
				f.Send(now, 1500)
				now += 10 * time.Microsecond
			}
		})
	}
}

// Sending does not allocate once a flow has reached its final size.
func TestSendAllocatesNothing(t *testing.T) {
	for name, link := range benchmarkLinks() {
		stream, datagrams := NewFlow(link, 1), NewPacketFlow(link, 1)
		now := time.Duration(0)
		step := func() {
			stream.Send(stream.Free(), 1500)
			datagrams.Send(now, 1500)
			now += 10 * time.Microsecond
		}
		for range 10_000 {
			step()
		}
		if allocations := testing.AllocsPerRun(1000, step); allocations > 0 {
			t.Errorf("%s: %v allocations", name, allocations)
		}
	}
}

// BenchmarkLineSend sends at the rate of the line, so that packets wait.
func BenchmarkLineSend(b *testing.B) {
	for name, link := range map[string]Link{
		"zero":    {},
		"latency": {Latency: ms},
		"fifo":    {Latency: ms, Rate: 1200 * Mbps},
		"delayed": {Latency: ms, Rate: 1200 * Mbps, Queue: Queue{CountDelayed: true}},
		"lossy":   {Latency: ms, Rate: 1200 * Mbps, Loss: Loss{Random: 0.01}, Jitter: Jitter{Deviation: ms / 10}},
		"codel":   {Latency: ms, Rate: 1200 * Mbps, Queue: Queue{Discipline: CoDel}},
		"fair":    {Latency: ms, Rate: 1200 * Mbps, Queue: Queue{Discipline: FQCoDel}},
	} {
		b.Run(name, func(b *testing.B) {
			line := NewLine(link, 1)
			now, number, tag := time.Duration(0), uint64(0), new(int)
			b.ReportAllocs()
			for b.Loop() {
				number++
				if line.Send(now, 1500, PacketID{number % 10, number}, tag); line.Next() <= now {
					for _, ok := line.Step(now); ok; _, ok = line.Step(now) {
					}
				}
				now += 10 * time.Microsecond
			}
		})
	}
}

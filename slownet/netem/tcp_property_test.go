package netem_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// randomLink returns a link with many random impairments.
func randomLink(r *rand.Rand) netem.Link {
	link := netem.Link{Latency: time.Duration(r.IntN(200)) * time.Millisecond}
	oneIn := func(n int) bool { return r.IntN(n) == 0 }
	if !oneIn(3) {
		link.Rate = netem.Rate(50_000 << r.IntN(12))
		link.Queue.Bytes = 1500 << r.IntN(8)
	}
	if oneIn(2) {
		link.Loss.Random = r.Float64() * 0.2
	}
	if oneIn(4) {
		link.Jitter.Deviation = link.Latency / 2
	}
	if oneIn(4) {
		link.Duplicate.Probability = 0.05
	}
	if oneIn(4) {
		link.Reorder.Probability = 0.05
	}
	return link
}

// Whatever the links do, every byte arrives, once and in order, in both
// directions, even if applications pause. After that nothing is sent.
func TestEveryByteArrives(t *testing.T) {
	for seed := range uint64(tier.Count(300, 20_000)) {
		r := rand.New(rand.NewPCG(seed, 0))
		tcp := netem.TCP{Congestion: netem.Congestion(1 + r.IntN(2))}
		p := newPath(tcp, netem.NewPacketFlow(randomLink(r), seed), netem.NewPacketFlow(randomLink(r), ^seed))
		var written [2]int64
		for side := range p.ends {
			p.ends[side].lazy = r.IntN(2) == 0
		}
		for range 1 + r.IntN(10) {
			for side := range p.ends {
				n := 1 + r.IntN(1<<r.IntN(18))
				written[side] += int64(n)
				p.write(side, n)
			}
			for range r.IntN(100) {
				p.step()
			}
		}
		for steps := 0; p.step(); steps++ {
			require.Less(t, steps, 1_000_000, "seed %d: never quiet", seed)
			if steps%50 == 0 {
				p.readAll()
			}
			for side := range p.ends {
				end := p.ends[side].end
				require.LessOrEqual(t, end.RoomAtLeast(0), end.Room(0), "seed %d", seed)
				require.LessOrEqual(t, end.RoomAtLeast(7), end.Room(7), "seed %d: after 7 bytes", seed)
				require.LessOrEqual(t, p.ends[side].arrived+p.ends[side].end.Unread(), written[1-side], "seed %d: more than was written", seed)
			}
		}
		p.readAll()
		for side := range p.ends {
			require.Equal(t, written[1-side], p.ends[side].arrived, "seed %d: bytes that arrived", seed)
			require.Zero(t, p.ends[side].end.Unacked(), "seed %d: not acknowledged", seed)
		}
	}
}

// While the application does not read, the sender stops when the receive buffer of 128
// KiB is full. A full segment takes 2,304 bytes of it.
func TestFullReceiveBufferStopsTheSender(t *testing.T) {
	for seed := range uint64(tier.Count(50, 2000)) {
		r := rand.New(rand.NewPCG(seed, 1))
		link := randomLink(r)
		p := newPath(netem.TCP{}, netem.NewPacketFlow(randomLink(r), seed), netem.NewPacketFlow(link, ^seed))
		p.ends[0].lazy = true
		var end int64
		p.ends[1].drop = func(_ int, s *netem.Segment) bool {
			end = max(end, s.Seq+int64(s.Len))
			return false
		}
		p.write(1, 1<<20)
		for range 5000 {
			p.step()
		}
		assert.LessOrEqual(t, end, int64(128<<10*netem.MSS/2304), "seed %d", seed)
		assert.Greater(t, end, int64(60_000), "seed %d", seed)
	}
}

// A path in use does not allocate for a segment.
func TestSegmentsAreNotAllocated(t *testing.T) {
	link := netem.Link{Latency: 10 * time.Millisecond, Rate: 100 * netem.Mbps, Queue: netem.Queue{Bytes: 100_000}, Loss: netem.Loss{Random: 0.001}}
	tcp := netem.TCP{}
	a, b := netem.NewEnd(tcp, 0, time.Millisecond), netem.NewEnd(tcp, 0, time.Millisecond)
	flow := netem.NewPacketFlow(link, 1)
	now := time.Duration(0)
	transfer := func() {
		a.Write(now, 100*netem.MSS)
		for a.Unacked() > 0 {
			now += 100 * time.Microsecond
			for {
				s, ok := a.Output(now)
				if !ok {
					break
				}
				if packets, _ := flow.Send(now, s.Size()); len(packets) > 0 {
					b.Input(now, &s)
				}
			}
			b.Read(now, int(b.Unread()))
			for {
				s, ok := b.Output(now)
				if !ok {
					break
				}
				a.Input(now, &s)
			}
			for _, end := range []*netem.End{a, b} {
				if end.Next() <= now {
					end.Expire(now)
				}
			}
		}
	}
	for range 50 {
		transfer()
	}
	assert.Zero(t, testing.AllocsPerRun(50, transfer))
}

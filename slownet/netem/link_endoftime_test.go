package netem

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// endlessLink returns a link whose times add up to more than a Duration can
// hold.
func endlessLink(random *rand.Rand) Link {
	link := randomLink(random)
	for _, d := range []*time.Duration{&link.Latency, &link.Pace.Wait} {
		if random.IntN(2) == 0 {
			*d = timeline.End - time.Duration(random.Int64N(1<<random.IntN(63)))
		}
	}
	if link.Jitter.Deviation > 0 {
		link.Jitter.Deviation = 1 + time.Duration(random.Int64N(int64(maxDeviation)))
	}
	if link.Rate > 0 {
		link.Rate = Rate(1 + random.IntN(1000))
	}
	link.Queue.Bytes = random.IntN(2) * math.MaxInt
	return link
}

// endlessTimes returns increasing times, up to the last possible one.
func endlessTimes(random *rand.Rand) []time.Duration {
	times := make([]time.Duration, 30)
	var now time.Duration
	for i := range times {
		if left := int64(timeline.End - now); left > 0 {
			now += time.Duration(min(left, random.Int64N(1<<random.IntN(63))*random.Int64N(2)))
		}
		times[i] = now
	}
	return append(times, timeline.End-1, timeline.End, timeline.End)
}

// Bytes in flight for centuries arrive at the end of time, not in the past.
func TestTimesNearTheEndDoNotWrapAround(t *testing.T) {
	t.Parallel()
	for seed := range tier.Count[uint64](1000, 20_000) {
		random := rand.New(rand.NewPCG(seed, 7))
		link := endlessLink(random)
		stream, datagrams := NewFlow(link, seed), NewPacketFlow(link, seed)
		stream.SetReturn(time.Duration(random.Int64N(int64(timeline.End))))
		arrived := time.Duration(0)
		check := func(ok bool, what string) {
			if !ok {
				require.Fail(t, what, "seed %d, %v", seed, link)
			}
		}
		for _, now := range endlessTimes(random) {
			piece := stream.Send(now, random.IntN(2000))
			check(piece.Leave >= now, "piece.Leave < now")
			check(piece.Arrive >= piece.Leave, "piece.Arrive < piece.Leave")
			check(piece.Arrive >= arrived, "piece.Arrive < arrived")
			if piece.Bytes > 0 {
				check(stream.Free() >= piece.Leave, "stream.Free() < piece.Leave")
			}
			arrived = piece.Arrive
			if again, _ := stream.Lose(now); now < timeline.End {
				check(again > now, "again <= now")
			}
			packets, _ := datagrams.Send(now, random.IntN(2000))
			for _, packet := range packets {
				check(packet.Leave >= now, "packet.Leave < now")
				check(packet.Arrive >= packet.Leave, "packet.Arrive < packet.Leave")
			}
		}
	}
}

// With a round trip of centuries, packets are retransmitted after a minute,
// TCP's maximum, and not after its minimum.
func TestTimeoutOfAnEndlessRoundTrip(t *testing.T) {
	t.Parallel()
	var again retransmitter
	for range 5 {
		again.measure(1, timeline.End)
		again.learn(1)
		assert.Equal(t, maxIdealTimeout, again.wait())
	}
}

// The connections that share a bottleneck may begin at any times.
func TestSharedBottleneckOfTwoEpochs(t *testing.T) {
	t.Parallel()
	link := Link{Bottleneck: NewBottleneck(8)}
	late, early := NewFlow(link, 0), NewFlow(link, 0)
	late.Line().Join(time.Unix(1<<40, 0))
	early.Line().Join(time.Unix(-1<<40, 0))
	for _, flow := range []*Flow{late, early} {
		assert.GreaterOrEqual(t, flow.Send(0, 1).Leave, time.Duration(0))
		assert.Equal(t, timeline.End, flow.Send(timeline.End, 1).Leave)
	}
}

// A recording that would pass more bytes by the end of time than can be counted is
// refused.
func TestReplayOfTooManySlots(t *testing.T) {
	t.Parallel()
	_, err := ParseReplay(strings.NewReader(strings.Repeat("1\n", 500_001)))
	require.EqualError(t, err, "netem: replay: it passes 1500 bytes 500001 times in 1ms: at most 500000 times are possible")
	replay, err := ParseReplay(strings.NewReader(strings.Repeat("1\n", 500_000)))
	require.NoError(t, err)
	f := NewFlow(Link{Replay: replay}, 0)
	for range 1000 {
		assert.Equal(t, timeline.End, f.Send(timeline.End-1, 1500).Leave)
	}
}

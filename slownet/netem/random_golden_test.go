package netem

import (
	"fmt"
	"hash/fnv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// With the same seed, the same happens, on every platform and in every version:
// these are the arrivals, in microseconds, as they have been since the first.
func TestSeedsGiveTheSameForever(t *testing.T) {
	const ms = time.Millisecond
	link := func(d *Distribution, loss Loss) Link {
		return Link{
			Latency: 20 * ms, Jitter: Jitter{Deviation: 5 * ms, Distribution: d, Correlation: 0.25}, Rate: 10 * Mbps,
			Loss: loss, Duplicate: Chance{0.1, 0.5}, Corrupt: Chance{0.05, 0.5}, Reorder: Chance{0.1, 0.5},
		}
	}
	burst := Loss{GilbertElliott: GilbertElliott{P: 0.1, R: 0.4, LossBad: 0.8, LossGood: 0.01}}
	states := Loss{Markov: Markov{P13: 0.1, P31: 0.3, P32: 0.2, P23: 0.4, P14: 0.05}}
	for _, golden := range []struct {
		link             Link
		arrivals         string
		stream, datagram uint64 // hashes of all that happens to 2,000 of each
	}{
		{link(nil, Loss{Random: 0.1}), "20568 1022144 1022144 1022144 1024549 1024549 1032577 1032577 ", 0x724484e04ede42ca, 0x42a4ea9d13cf4ac1},
		{link(Normal, burst), "20510 1022028 1022028 1022028 1024205 1024205 1033191 1033191 ", 0x84624fd60297041b, 0xf2e7544cd9628efb},
		{link(Pareto, states), "19073 1020759 1020759 1020759 1023596 1023596 1030535 1030535 ", 0x27707ced17235bf5, 0x11d9f286d2bb38c0},
		{link(ParetoNormal, Loss{}), "19433 20275 20275 21749 1023549 1023549 1030999 1030999 ", 0x94aa929e95739f09, 0xf069ac6da4c2d57b},
		{link(NewDistribution([]int16{-8192, -100, 0, 50, 20000}), Loss{}), "20800 21800 22738 23738 1025538 1025538 1030430 1030430 ", 0x58c01572c61be5b, 0xda2aaec2ca1c28d7},
	} {
		stream, datagrams := NewFlow(golden.link, 7), NewPacketFlow(golden.link, 7)
		arrivals := ""
		streamHash, datagramHash := fnv.New64a(), fnv.New64a()
		for i := range 2000 {
			now := time.Duration(i) * ms
			piece := stream.Send(now, 1000)
			fmt.Fprintln(streamHash, int64(piece.Leave), int64(piece.Arrive), piece.Sent)
			packets, drop := datagrams.Send(now, 1000)
			fmt.Fprintln(datagramHash, drop)
			for _, packet := range packets {
				fmt.Fprintln(datagramHash, int64(packet.Leave), int64(packet.Arrive), packet.Flip)
			}
			if i < 8 {
				arrivals += fmt.Sprint(piece.Arrive.Microseconds(), " ")
			}
		}
		assert.Equal(t, golden.arrivals, arrivals)
		assert.Equal(t, golden.stream, streamHash.Sum64())
		assert.Equal(t, golden.datagram, datagramHash.Sum64())
	}
}

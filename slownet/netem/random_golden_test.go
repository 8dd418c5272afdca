package netem

import (
	"fmt"
	"hash/fnv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// The same seed gives the same results on every platform and in every version:
// these are the arrivals in microseconds since the first version.
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
		stream, datagram uint64 // hashes of 2,000 of each
	}{
		{link(nil, Loss{Random: 0.1}), "20568 53733 53733 53733 53733 53733 56166 56166 ", 0x9bbc05f6f065db7a, 0x42a4ea9d13cf4ac1},
		{link(Normal, burst), "20510 54233 54233 54233 54233 54233 57397 57397 ", 0x93f27704ab10975e, 0xf2e7544cd9628efb},
		{link(Pareto, states), "19073 50305 50305 50305 50305 50305 52081 52081 ", 0x8cb6041f223cffe0, 0x11d9f286d2bb38c0},
		{link(ParetoNormal, Loss{}), "19433 20275 20275 21749 50560 50560 53210 53210 ", 0x144ace5470eeeeb1, 0xf069ac6da4c2d57b},
		{link(NewDistribution([]int16{-8192, -100, 0, 50, 20000}), Loss{}), "20800 21800 22738 23738 51969 51969 52061 52061 ", 0xdb556947ba7adf5c, 0xda2aaec2ca1c28d7},
	} {
		stream, datagrams := NewFlow(golden.link, 7), NewPacketFlow(golden.link, 7)
		var pieces []Piece
		arrivals := ""
		streamHash, datagramHash := fnv.New64a(), fnv.New64a()
		for i := range 2000 {
			now := time.Duration(i) * ms
			pieces = append(pieces, stream.Send(now, 1000))
			packets, drop := datagrams.Send(now, 1000)
			fmt.Fprintln(datagramHash, drop)
			for _, packet := range packets {
				fmt.Fprintln(datagramHash, int64(packet.Leave), int64(packet.Arrive), packet.Flip)
			}
		}
		for i, piece := range settle(stream, pieces) {
			fmt.Fprintln(streamHash, int64(piece.Leave), int64(piece.Arrive), piece.Sent)
			if i < 8 {
				arrivals += fmt.Sprint(piece.Arrive.Microseconds(), " ")
			}
		}
		assert.Equal(t, golden.arrivals, arrivals)
		assert.Equal(t, golden.stream, streamHash.Sum64())
		assert.Equal(t, golden.datagram, datagramHash.Sum64())
	}
}

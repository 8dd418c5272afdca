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
		{link(nil, Loss{Random: 0.1}), "18417 1024334 1024334 1024334 1024334 1024334 1024334 1024334 ", 0x2fad2d9d6127b223, 0xdef902ff050cf523},
		{link(Normal, burst), "17607 17607 21327 29894 30894 30894 31647 31647 ", 0x95b6da3be1947df, 0xb526090fc66a887a},
		{link(Pareto, states), "18176 1022281 1022281 1022281 1022281 1022281 1022281 1022281 ", 0x1cedc3ae4aa71f22, 0xd6ba15587a759e9e},
		{link(ParetoNormal, Loss{}), "18033 21619 22685 24016 24016 24074 26758 27558 ", 0xfc0fe0544d31d750, 0xdde0a031727c7ce5},
		{link(NewDistribution([]int16{-8192, -100, 0, 50, 20000}), Loss{}), "20738 21830 23400 24230 25000 25800 27400 28200 ", 0x68cda29a99aa7718, 0x486a0e66875744ab},
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

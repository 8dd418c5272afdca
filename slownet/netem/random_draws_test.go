package netem

import (
	"fmt"
	"math"
	"math/bits"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Draws whose seed, flow, packet, copy or kind differ by as little as one are
// independent.
func TestNeighboringDrawsAreIndependent(t *testing.T) {
	const n = 100_000
	for name, draw := range map[string]func(i uint64) uint64{
		"seeds":   func(i uint64) uint64 { return uint64(drawsOf(i, PacketID{1, 1}).roll(DrawnLoss)) },
		"flows":   func(i uint64) uint64 { return uint64(drawsOf(1, PacketID{i, 1}).roll(DrawnLoss)) },
		"packets": func(i uint64) uint64 { return uint64(drawsOf(1, PacketID{1, i}).roll(DrawnLoss)) },
		"copies":  func(i uint64) uint64 { return uint64(drawsOf(1, PacketID{1, 1}).again(int(i)).roll(DrawnLoss)) },
		"doubles": func(i uint64) uint64 {
			id := PacketID{1, i / 2}
			if i%2 == 1 {
				id = id.Copy()
			}
			return uint64(drawsOf(1, id).roll(DrawnLoss))
		},
		"abouts": func(i uint64) uint64 {
			return uint64(drawsOf(1, PacketID{1, i / 7}).roll(aboutState + DrawKind(i%7)))
		},
		"seed and flow": func(i uint64) uint64 { return uint64(drawsOf(i, PacketID{i, 1}).roll(DrawnLoss)) },
		"high bits":     func(i uint64) uint64 { return uint64(drawsOf(1<<63, PacketID{i << 40, i << 32}).roll(DrawnLoss)) },
	} {
		var ones [64]int
		differing, pairs := 0, [4][4]int{}
		seen := map[uint64]bool{}
		last := draw(0)
		for i := range uint64(n) {
			this := draw(i + 1)
			assert.False(t, seen[this], "%s: %d twice", name, i)
			seen[this] = true
			differing += bits.OnesCount64(this ^ last)
			pairs[last>>62][this>>62]++
			for bit := range ones {
				ones[bit] += int(this >> bit & 1)
			}
			last = this
		}
		sigma := math.Sqrt(n) / 2
		for bit, count := range ones {
			assert.InDelta(t, n/2, count, 5*sigma, "%s, bit %d", name, bit)
		}
		assert.InDelta(t, 32*n, differing, 5*math.Sqrt(64)*sigma, "%s: bits that differ", name)
		for _, row := range pairs {
			for _, count := range row {
				assert.InDelta(t, n/16, count, 5*math.Sqrt(n/16), "%s: %v", name, pairs)
			}
		}
	}
}

// A draw does not depend on other draws, or on their order.
func TestDrawsAreFunctions(t *testing.T) {
	d := drawsOf(1, PacketID{2, 3})
	first := fmt.Sprint(d.roll(DrawnLoss), d.roll(DrawnJitter))
	assert.Equal(t, first, fmt.Sprint(d.roll(DrawnLoss), d.roll(DrawnJitter)))
	assert.Equal(t, PacketID{2, 3}.Copy().Flow, uint64(2), "a copy is of the same flow")
}

package netem

import "github.com/slowpoetry/slowpoetry/internal/enum"

// A PacketID identifies a packet on its line. The random draws about it follow
// from the line's seed and this ID alone; only loss states and correlations,
// which make losses and variations come in bursts, also depend on the packets
// before it. So adding or removing a packet does not change the draws of the
// others.
type PacketID struct {
	Flow   uint64 // the packet's owner: a socket, or a direction of a connection
	Number uint64 // counts the owner's packets, including retransmissions
}

// Copy returns the ID of a packet's duplicate, which needs an ID of its own on
// the next line.
func (id PacketID) Copy() PacketID { return PacketID{id.Flow, splitMix64(id.Number + copyStep)} }

// draws are all random numbers about a packet: a counter-based generator, whose
// numbers are the same on every platform and in whatever order they are drawn.
// They are integers, and are compared with numbers that are exact on every
// platform.
type draws uint64

// drawsOf returns the draws about a packet.
func drawsOf(seed uint64, id PacketID) draws {
	flow := splitMix64(splitMix64(seed+golden) + id.Flow)
	return draws(splitMix64(flow + (id.Number+1)*golden))
}

// again returns the draws about the given retransmission of the packet.
func (d draws) again(times int) draws { return draws(splitMix64(uint64(d) + uint64(times)*copyStep)) }

// splitMix64 is the output function of SplitMix64 (Steele, Lea and Flood 2014):
// a bijection in which each bit of the result depends on all bits of the
// argument.
func splitMix64(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Odd numbers that keep the arguments of splitMix64 apart.
const (
	golden   = 0x9e3779b97f4a7c15
	copyStep = 0xd1342543de82ef95
	kindStep = 0xaf251af3b0f025b5
)

// A DrawKind says what a draw about a packet decides.
type DrawKind uint64

// The kinds of draws.
const (
	aboutState     DrawKind = iota + 1 // of the model of loss
	DrawnLoss                          // whether the packet is lost
	DrawnDuplicate                     // whether it is duplicated
	DrawnCorrupt                       // whether one bit of it is flipped
	DrawnReorder                       // whether it overtakes others
	DrawnJitter                        // the variation of its latency
	DrawnFlip                          // the bit that is flipped

	aboutKeeping DrawKind = 16 // added to another kind: whether the previous draw is kept
)

// String returns a word for the kind, such as "loss".
func (w DrawKind) String() string {
	return enum.Name("DrawKind", int(w), "DrawKind(0)", "state", "loss", "duplicate", "corrupt", "reorder", "jitter", "flip")
}

// A roll is one draw.
type roll uint64

func (d draws) roll(w DrawKind) roll { return roll(splitMix64(uint64(d) + uint64(w)*kindStep)) }

// below reports true with the given probability, between 0 and 1.
func (r roll) below(probability float64) bool {
	return uint64(r>>11) < uint64(probability*(1<<53))
}

func (d draws) chance(w DrawKind, probability float64) bool { return d.roll(w).below(probability) }

// A previousDraw is the last draw of a kind with a correlation.
type previousDraw struct{ last roll } // zero is none

// correlated returns a new draw or, with the probability of the correlation,
// the previous packet's draw.
func (d draws) correlated(w DrawKind, m *previousDraw, correlation float64) roll {
	if correlation == 0 {
		return d.roll(w)
	}
	if keep := d.chance(w+aboutKeeping, correlation); !keep || m.last == 0 {
		m.last = d.roll(w)
	}
	return m.last
}

package netem

import "github.com/slowpoetry/slowpoetry/internal/enum"

// A PacketID names a packet on its line. What is random about it follows from
// the seed of the line and from its ID alone, apart from what makes losses and
// variations come in bursts, which follows from the packets before it too. So
// one packet more or less changes nothing of the others' luck.
type PacketID struct {
	Flow   uint64 // names what the packet belongs to: a socket, or a direction of a connection
	Number uint64 // counts its packets, retransmissions too
}

// Copy returns the name of a packet's duplicate, which on the next line needs
// one of its own.
func (id PacketID) Copy() PacketID { return PacketID{id.Flow, splitMix64(id.Number + copyStep)} }

// draws are all random numbers about a packet: a counter-based generator, which
// gives the same ones everywhere, in whatever order they are asked for. They are
// integers, and compared with numbers that are exact on every platform.
type draws uint64

// drawsOf returns the draws about a packet.
func drawsOf(seed uint64, id PacketID) draws {
	flow := splitMix64(splitMix64(seed+golden) + id.Flow)
	return draws(splitMix64(flow + (id.Number+1)*golden))
}

// again returns the draws about a copy that is sent again, for the time given.
func (d draws) again(times int) draws { return draws(splitMix64(uint64(d) + uint64(times)*copyStep)) }

// splitMix64 is the output function of SplitMix64 (Steele, Lea and Flood 2014): a
// bijection, each bit of whose result depends on all bits of its argument.
func splitMix64(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Odd numbers that keep the arguments of mix apart.
const (
	golden   = 0x9e3779b97f4a7c15
	copyStep = 0xd1342543de82ef95
	kindStep = 0xaf251af3b0f025b5
)

// A DrawKind says what a draw about a packet decides.
type DrawKind uint64

// What is drawn about a packet.
const (
	aboutState     DrawKind = iota + 1 // of the model of loss
	DrawnLoss                          // whether it is lost
	DrawnDuplicate                     // whether it is doubled
	DrawnCorrupt                       // whether one bit of it changes
	DrawnReorder                       // whether it overtakes others
	DrawnJitter                        // how much its latency varies
	DrawnFlip                          // which bit changes

	aboutKeeping DrawKind = 16 // added, whether the draw before is kept
)

// String returns a word for it, such as "loss".
func (w DrawKind) String() string {
	return enum.Name("What", int(w)-1, "state", "loss", "duplicate", "corrupt", "reorder", "jitter", "flip")
}

// A roll is one draw.
type roll uint64

func (d draws) roll(w DrawKind) roll { return roll(splitMix64(uint64(d) + uint64(w)*kindStep)) }

// below is true with the given probability, between 0 and 1.
func (r roll) below(probability float64) bool {
	return uint64(r>>11) < uint64(probability*(1<<53))
}

func (d draws) chance(w DrawKind, probability float64) bool { return d.roll(w).below(probability) }

// A previousDraw is what a correlated draw remembers of the packet before.
type previousDraw struct{ last roll } // zero is nothing

// correlated draws, or gives with a probability of the correlation what the
// packet before drew.
func (d draws) correlated(w DrawKind, m *previousDraw, correlation float64) roll {
	if correlation == 0 {
		return d.roll(w)
	}
	if keep := d.chance(w+aboutKeeping, correlation); !keep || m.last == 0 {
		m.last = d.roll(w)
	}
	return m.last
}

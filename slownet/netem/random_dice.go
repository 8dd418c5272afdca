package netem

import "math/rand/v2"

// dice are where a link's chances come from: a PCG generator, which gives the
// same sequence everywhere. Only integers are drawn from it, and compared with
// numbers that are exact on every platform.
type dice struct{ source rand.PCG }

func newDice(seed uint64) dice {
	var d dice
	d.source.Seed(seed, seed^0x9e3779b97f4a7c15)
	return d
}

// A roll is one throw.
type roll uint64

func (d *dice) roll() roll { return roll(d.source.Uint64()) }

// below is true with the given probability, between 0 and 1.
func (r roll) below(probability float64) bool {
	return uint64(r>>11) < uint64(probability*(1<<53))
}

func (d *dice) chance(probability float64) bool { return d.roll().below(probability) }

// A memory is what a correlated throw remembers of the one before.
type memory struct{ last roll } // zero is nothing

// correlated throws, or gives with a probability of the correlation what the
// throw before gave.
func (d *dice) correlated(m *memory, correlation float64) roll {
	if correlation == 0 {
		return d.roll()
	}
	if keep := d.chance(correlation); !keep || m.last == 0 {
		m.last = d.roll()
	}
	return m.last
}

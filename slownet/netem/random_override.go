package netem

// Overrides replace some random draws of a [Line], and report random
// impairments. They are for shrinking a run that has failed: with one loss
// less, all other packets are treated as before.
type Overrides struct {
	// Rolls replace the line's own rolls. A loss, a duplicate, a corruption or
	// a reordering happens if the roll is below its probability times 2^64;
	// with [NeverRolled] it does not, even if the probability is 1. Loss states
	// and correlations are not affected. Retransmissions of an ideal stream use
	// the line's own rolls.
	Rolls map[Draw]uint64

	// NoImpairments suppresses all random loss, duplication, corruption and
	// reordering, except where Rolls has a roll.
	NoImpairments bool

	// OnImpairment, if it is not nil, is called for each loss, duplicate,
	// corruption and reordering, except of retransmissions of an ideal stream.
	OnImpairment func(d Draw)
}

// A Draw identifies one random decision about a packet.
type Draw struct {
	ID   PacketID
	Kind DrawKind // from DrawnLoss to DrawnFlip
}

// NeverRolled is a roll with which no impairment happens.
const NeverRolled uint64 = 1<<64 - 1

// Override sets the line's overrides for packets sent from now on. Nil is none,
// as initially. The Overrides must not change afterwards.
func (l *Line) Override(o *Overrides) { l.overrides = o }

// roll returns a roll, or its replacement. Nil overrides replace nothing.
func (o *Overrides) roll(id PacketID, w DrawKind, own roll) roll {
	if o == nil {
		return own
	}
	if other, ok := o.Rolls[Draw{id, w}]; ok {
		return roll(other)
	}
	return own
}

// change overrides the impairments of a packet, and reports them.
func (o *Overrides) change(id PacketID, link *Link, m *impairments) {
	o.decide(id, DrawnLoss, link.Loss.longRun(), &m.lost)
	if m.lost { // its other impairments make no difference
		return
	}
	o.decide(id, DrawnDuplicate, link.Duplicate.Probability, &m.duplicated)
	o.decide(id, DrawnCorrupt, link.Corrupt.Probability, &m.corrupted)
	o.decide(id, DrawnReorder, link.Reorder.Probability, &m.reordered)
}

// decide overrides one impairment of a packet, and reports it.
func (o *Overrides) decide(id PacketID, w DrawKind, probability float64, befalls *bool) {
	d := Draw{id, w}
	if other, ok := o.Rolls[d]; ok {
		*befalls = other != NeverRolled && roll(other).below(probability)
	} else if o.NoImpairments {
		*befalls = false
	}
	if *befalls && o.OnImpairment != nil {
		o.OnImpairment(d)
	}
}

// longRun returns the long-run loss probability.
func (l *Loss) longRun() float64 {
	switch {
	case l.GilbertElliott != GilbertElliott{}:
		return l.GilbertElliott.share()
	case l.Markov != Markov{}:
		return l.Markov.share()
	}
	return l.Random
}

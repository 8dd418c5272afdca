package netem

// Overrides have some of what is left to chance on a [Line] come out otherwise than
// the line's seed has it, and tell what befalls packets by chance. They are for
// whoever makes a run smaller that has failed: with one loss less, all other packets
// fare as before.
type Overrides struct {
	// Rolls are used instead of the line's own. A loss, a duplicate, a corruption or
	// a reordering happens if the roll is below its probability times 2^64; [NeverRolled]
	// is one with which it does not, even if its probability is 1. What makes
	// such things come in bursts goes on as without. A packet that an ideal stream
	// sends again has the line's own rolls.
	Rolls map[Draw]uint64

	// Calm has no loss, duplicate, corruption or reordering befall any packet by chance,
	// but those of Rolls.
	NoImpairments bool

	// OnImpairment, if it is not nil, is told of each loss, duplicate, corruption and
	// reordering of a packet that is not sent again by an ideal stream.
	OnImpairment func(d Draw)
}

// A Draw is something about a packet that is left to chance.
type Draw struct {
	ID   PacketID
	Kind DrawKind // from DrawnLoss to DrawnFlip
}

// NeverRolled is the roll with which nothing happens.
const NeverRolled uint64 = 1<<64 - 1

// Override sets what comes out otherwise, for what is sent from now on. Nil is
// nothing, as in the beginning. The Overrides must not change afterwards.
func (l *Line) Override(o *Overrides) { l.overrides = o }

// roll returns a roll, or what is used instead of it. Of no overrides, nil, it is the
// roll.
func (o *Overrides) roll(id PacketID, w DrawKind, own roll) roll {
	if o == nil {
		return own
	}
	if other, ok := o.Rolls[Draw{id, w}]; ok {
		return roll(other)
	}
	return own
}

// change changes what befalls a packet, and tells of it.
func (o *Overrides) change(id PacketID, link *Link, m *impairments) {
	o.decide(id, DrawnLoss, link.Loss.longRun(), &m.lost)
	if m.lost { // which of the rest it had makes no difference
		return
	}
	o.decide(id, DrawnDuplicate, link.Duplicate.Probability, &m.duplicated)
	o.decide(id, DrawnCorrupt, link.Corrupt.Probability, &m.corrupted)
	o.decide(id, DrawnReorder, link.Reorder.Probability, &m.reordered)
}

// decide changes whether one thing befalls a packet, and tells of it.
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

// longRun is how many packets are lost in the long run.
func (l *Loss) longRun() float64 {
	switch {
	case l.GilbertElliott != GilbertElliott{}:
		return l.GilbertElliott.share()
	case l.Markov != Markov{}:
		return l.Markov.share()
	}
	return l.Random
}

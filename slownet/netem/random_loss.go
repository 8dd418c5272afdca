package netem

import (
	"fmt"
	"strings"
)

// Loss is a model of packet loss: one of three, all from tc netem. The zero
// Loss is no loss. A lost datagram is gone; on a stream, a loss costs the time
// until the retransmission.
type Loss struct {
	// Random is the probability, between 0 and 1, that a packet is lost,
	// independently of the others.
	Random float64

	// GilbertElliott loses packets in bursts.
	GilbertElliott GilbertElliott

	// Markov loses packets in bursts, and single packets between them.
	Markov Markov
}

// GilbertElliott is a link that is in a good or in a bad state. At each packet
// the state may change first; then the packet may be lost. In the long run a
// fraction P / (P + R) of packets meets the bad state, which lasts 1 / R
// packets on average.
//
// Netem calls the last two fields 1-h and 1-k. Its simple Gilbert model has a
// LossBad of 1 and a LossGood of 0.
type GilbertElliott struct {
	P        float64 `json:"p"`   // the probability of going bad
	R        float64 `json:"r"`   // the probability of recovering
	LossBad  float64 `json:"1-h"` // the probability of losing a packet while bad, netem's 1-h
	LossGood float64 `json:"1-k"` // the probability of losing a packet while good, netem's 1-k
}

// Markov is a link in one of four states: a gap (1), in which packets pass; a
// single loss (4); and a burst, in which packets are lost (3) or pass (2). PXY
// is the probability that the next packet takes the link from state X to state
// Y.
type Markov struct {
	P13 float64 `json:"p13"` // from a gap into a burst
	P31 float64 `json:"p31"` // from a burst to a gap
	P32 float64 `json:"p32"` // from a loss in a burst to passing packets in it
	P23 float64 `json:"p23"` // from passing packets in a burst to a loss in it
	P14 float64 `json:"p14"` // from a gap to a single loss
}

func (l *Loss) invalid() error {
	set := 0
	for _, is := range []bool{l.Random != 0, l.GilbertElliott != GilbertElliott{}, l.Markov != Markov{}} {
		if is {
			set++
		}
	}
	if err := invalidShares(
		share{"Loss.Random", l.Random},
		share{"Loss.GilbertElliott.P", l.GilbertElliott.P},
		share{"Loss.GilbertElliott.R", l.GilbertElliott.R},
		share{"Loss.GilbertElliott.LossBad", l.GilbertElliott.LossBad},
		share{"Loss.GilbertElliott.LossGood", l.GilbertElliott.LossGood},
		share{"Loss.Markov.P13", l.Markov.P13},
		share{"Loss.Markov.P31", l.Markov.P31},
		share{"Loss.Markov.P32", l.Markov.P32},
		share{"Loss.Markov.P23", l.Markov.P23},
		share{"Loss.Markov.P14", l.Markov.P14},
	); err != nil {
		return err
	}
	switch m := l.Markov; {
	case set > 1:
		return fmt.Errorf("Loss has %d models: only one of Random, GilbertElliott and Markov can be set", set)
	case m.P13+m.P14 > 1:
		return tooLikely("P13", "P14", m.P13+m.P14)
	case m.P31+m.P32 > 1:
		return tooLikely("P31", "P32", m.P31+m.P32)
	}
	return nil
}

// tooLikely returns the error of two exclusive probabilities of the Markov
// model.
func tooLikely(p, q string, sum float64) error {
	return &invalidError{
		fmt.Sprintf("Loss.Markov.%s + %s is %v: it must be at most 1", p, q, sum),
		fmt.Sprintf("%s + %s is %s: it must be at most 100%%", strings.ToLower(p), strings.ToLower(q), formatPercent(sum)),
	}
}

// A lossState is the state of a link's loss model.
type lossState uint8

const (
	good        lossState = iota // the gap of the Markov model
	bad                          // Gilbert-Elliott
	burstPassed                  // Markov, 2
	burstLost                    // Markov, 3
	gapLost                      // Markov, 4
)

// loses decides whether the next packet is lost.
func (l *Loss) loses(state *lossState, d draws) bool {
	switch {
	case l.Random > 0:
		return d.chance(DrawnLoss, l.Random)
	case l.GilbertElliott != GilbertElliott{}:
		return l.GilbertElliott.loses(state, d)
	case l.Markov != Markov{}:
		return l.Markov.loses(state, d)
	}
	return false
}

func (g *GilbertElliott) loses(state *lossState, d draws) bool {
	if *state == bad {
		if d.chance(aboutState, g.R) {
			*state = good
		}
	} else if d.chance(aboutState, g.P) {
		*state = bad
	}
	if *state == bad {
		return d.chance(DrawnLoss, g.LossBad)
	}
	return d.chance(DrawnLoss, g.LossGood)
}

func (m *Markov) loses(state *lossState, d draws) bool {
	roll := d.roll(DrawnLoss)
	switch *state {
	case good, gapLost, bad:
		switch {
		case *state == gapLost: // a single loss is always followed by a gap
			*state = good
		case roll.below(m.P14):
			*state = gapLost
		case roll.below(m.P14 + m.P13):
			*state = burstLost
		}
	case burstPassed:
		if roll.below(m.P23) {
			*state = burstLost
		}
	case burstLost:
		switch {
		case roll.below(m.P32):
			*state = burstPassed
		case roll.below(m.P32 + m.P31):
			*state = good
		}
	}
	return *state == burstLost || *state == gapLost
}

// losesCopy decides whether a retransmission is lost. It is sent a timeout
// later, when packets in flight have met the rest of the burst, so the link can
// be in any state: the retransmission is lost with the long-run probability.
// Only a single loss is always followed by a gap.
func (l *Loss) losesCopy(state *lossState, d draws) bool {
	switch {
	case l.GilbertElliott != GilbertElliott{}:
		return d.chance(DrawnLoss, l.GilbertElliott.share())
	case l.Markov != Markov{} && *state != gapLost:
		return d.chance(DrawnLoss, l.Markov.share())
	}
	return l.loses(state, d)
}

// share returns the long-run loss probability. The conversions keep compilers
// from fusing operations, which would round differently.
func (g *GilbertElliott) share() float64 {
	if g.P+g.R == 0 {
		return g.LossGood // it begins in the good state, and stays there
	}
	return float64(float64(g.P*g.LossBad)+float64(g.R*g.LossGood)) / float64(g.P+g.R)
}

func (m *Markov) share() float64 {
	switch { // the link cannot leave a burst, or a state in it
	case m.P13 > 0 && m.P31 == 0 && m.P32 == 0:
		return 1
	case m.P13 > 0 && m.P32 > 0 && m.P23 == 0:
		return 0
	case m.P13 > 0 && m.P31 == 0:
		return m.P23 / float64(m.P23+m.P32)
	}
	// The time in each state, relative to the time in a gap.
	var lost, passed float64
	if m.P13 > 0 {
		lost = m.P13 / m.P31
	}
	if m.P13 > 0 && m.P32 > 0 {
		passed = float64(lost*m.P32) / m.P23
	}
	return float64(lost+m.P14) / float64(1+lost+passed+m.P14)
}

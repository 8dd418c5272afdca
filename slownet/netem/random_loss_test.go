package netem

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const packets = 400_000 // sent to measure a probability

// losses sends datagrams over a link and returns which of them were lost.
func losses(t *testing.T, loss Loss) (lost []bool) {
	f := NewPacketFlow(Link{Loss: loss}, statisticsSeed)
	for range packets {
		arrived, drop := f.Send(0, 100)
		if (len(arrived) == 0) != (drop == DroppedByLoss) {
			require.Fail(t, "a packet is lost and arrives, or neither", "drop %v, %d arrived", drop, len(arrived))
		}
		lost = append(lost, drop == DroppedByLoss)
	}
	return lost
}

// Random losses are independent: a run of them has the mean length 1/(1 - p).
func TestLossRandom(t *testing.T) {
	for _, p := range []float64{0.01, 0.3, 0.9} {
		assertRuns(t, p, 1/(1-p), losses(t, Loss{Random: p}), "p = %v", p)
	}
}

// A fraction P/(P+R) of packets meets the bad state; each state loses its own
// share of packets. Since the state may change and come back during a run of
// losses, only runs of the simple Gilbert model, which loses everything in the
// bad state and nothing in the good one, have the length 1/R.
func TestLossGilbertElliott(t *testing.T) {
	for _, g := range []GilbertElliott{
		{P: 0.05, R: 0.25, LossBad: 1},
		{P: 0.5, R: 0.9, LossBad: 1},
		{P: 0.01, R: 0.1, LossBad: 0.5, LossGood: 0.01},
		{P: 0.2, R: 0.1, LossBad: 0.1, LossGood: 0.7},
	} {
		bad := g.P / (g.P + g.R)
		share := bad*g.LossBad + (1-bad)*g.LossGood
		// A run begins with a loss after a packet that passed. Its length is the
		// share of losses divided by the probability of such a beginning.
		passed, loses := [2]float64{1 - g.LossGood, 1 - g.LossBad}, [2]float64{g.LossGood, g.LossBad}
		time := [2]float64{1 - bad, bad}
		change := [2][2]float64{{1 - g.P, g.P}, {g.R, 1 - g.R}}
		var begins float64
		for from := range 2 {
			for to := range 2 {
				begins += time[from] * passed[from] * change[from][to] * loses[to]
			}
		}
		run := share / begins
		if g.LossBad == 1 && g.LossGood == 0 {
			assert.InDelta(t, 1/g.R, run, 1e-9)
		}
		assertRuns(t, share, run, losses(t, Loss{GilbertElliott: g}), "%+v", g)
	}
}

// The bad state lasts 1/R packets on average, and the good one 1/P.
func TestLossGilbertElliottStates(t *testing.T) {
	g := GilbertElliott{P: 0.05, R: 0.2, LossBad: 0.5}
	var state lossState
	var isBad, isGood []bool
	for i := range uint64(packets) {
		g.loses(&state, drawsOf(statisticsSeed, PacketID{Number: i}))
		isBad, isGood = append(isBad, state == bad), append(isGood, state == good)
	}
	assertRuns(t, 0.2, 5, isBad, "bad")
	assertRuns(t, 0.8, 20, isGood, "good")
}

// matrix returns the transition probabilities; states are numbered as netem
// does, from 1.
func (m Markov) matrix() (p [5][5]float64) {
	p[1][1], p[1][3], p[1][4] = 1-m.P13-m.P14, m.P13, m.P14
	p[2][2], p[2][3] = 1-m.P23, m.P23
	p[3][1], p[3][2], p[3][3] = m.P31, m.P32, 1-m.P31-m.P32
	p[4][1] = 1
	return p
}

// stationary returns the stationary distribution of the states.
func (m Markov) stationary() (share [5]float64) {
	p := m.matrix()
	share[1] = 1
	for range 10_000 {
		var next [5]float64
		for from := 1; from <= 4; from++ {
			for to := 1; to <= 4; to++ {
				next[to] += share[from] / 2 * p[from][to] // half of it stays, so that the iteration converges
			}
			next[from] += share[from] / 2
		}
		share = next
	}
	return share
}

var markovs = []Markov{
	{P13: 0.02, P31: 0.3, P32: 0.2, P23: 0.4, P14: 0.01},
	{P13: 0.3, P31: 0.1, P32: 0.6, P23: 0.9, P14: 0.3},
	{P13: 0.1, P31: 0.5, P32: 0.5, P23: 0.2},
	{P14: 0.2},
}

// The loss probability is the share of states 3 and 4; the length of a run of
// losses is that share divided by the probability that a run begins.
func TestLossMarkov(t *testing.T) {
	for _, m := range markovs {
		share, p := m.stationary(), m.matrix()
		var begins float64
		for from := 1; from <= 2; from++ {
			begins += share[from] * (p[from][3] + p[from][4])
		}
		lost := share[3] + share[4]
		assertRuns(t, lost, lost/begins, losses(t, Loss{Markov: m}), "%+v", m)
	}
}

// A retransmission is lost with the long-run probability, including that of chains that
// end in a state, or that never leave the gap.
func TestLossMarkovOfRetransmissions(t *testing.T) {
	chains := append([]Markov{
		{P13: 0.1},
		{P13: 0.1, P32: 0.2},
		{P13: 0.1, P31: 0.3, P32: 0.2},
		{P13: 0.1, P32: 0.2, P23: 0.4},
		{P14: 0.01, P32: 0.5},
		{P14: 0.01, P32: 0.5, P23: 0.2},
		{P14: 0.01, P31: 0.5, P32: 0.5},
	}, markovs...)
	for _, m := range chains {
		share := m.stationary()
		assert.InDelta(t, share[3]+share[4], m.share(), 1e-9, "%+v", m)
	}
}

// The Markov model loses the same packets as netem's loss_4state, which this test
// follows line by line.
func TestLossMarkovIsNetems(t *testing.T) {
	for _, m := range markovs {
		const gapPassed, burstPassedState, burstLostState, gapLostState = 1, 2, 3, 4
		state, ours := gapPassed, good
		for packet := range uint64(packets / 10) {
			lost := false
			draws := drawsOf(statisticsSeed, PacketID{Number: packet})
			rnd := draws.roll(DrawnLoss)
			switch state {
			case gapPassed:
				if rnd.below(m.P14) {
					state, lost = gapLostState, true
				} else if rnd.below(m.P13 + m.P14) {
					state, lost = burstLostState, true
				}
			case burstPassedState:
				if rnd.below(m.P23) {
					state, lost = burstLostState, true
				}
			case burstLostState:
				if rnd.below(m.P32) {
					state = burstPassedState
				} else if rnd.below(m.P31 + m.P32) {
					state = gapPassed
				} else {
					lost = true
				}
			case gapLostState:
				state = gapPassed
			}
			require.Equal(t, lost, m.loses(&ours, draws), "%+v, packet %d", m, packet)
		}
	}
}

// A model that replaces another begins in one of its own states.
func TestLossChangedModel(t *testing.T) {
	f := NewPacketFlow(Link{Loss: Loss{GilbertElliott: GilbertElliott{P: 1, LossBad: 1}}}, 0)
	_, drop := f.Send(0, 1)
	assert.Equal(t, DroppedByLoss, drop)
	f.SetLink(Link{Loss: Loss{Markov: Markov{P31: 1}}})
	_, drop = f.Send(0, 1)
	assert.Equal(t, NotDropped, drop, "a gap")
	f.SetLink(Link{Loss: Loss{Markov: Markov{P13: 1}}})
	_, drop = f.Send(0, 1)
	assert.Equal(t, DroppedByLoss, drop, "a burst that does not end")
	f.SetLink(Link{Loss: Loss{GilbertElliott: GilbertElliott{R: 1, LossBad: 1}}})
	_, drop = f.Send(0, 1)
	assert.Equal(t, NotDropped, drop, "good")
}

// A correlation does not change the share. After an impaired packet, the next
// one is impaired with the probability c + (1 - c) p, so a run has the length
// 1/((1 - c)(1 - p)).
func TestChance(t *testing.T) {
	for _, chance := range []Chance{{0.05, 0}, {0.2, 0.25}, {0.3, 0.75}, {0.8, 0.5}} {
		run := 1 / ((1 - chance.Correlation) * (1 - chance.Probability))
		for name, tc := range map[string]struct {
			link Link
			is   func(arrived []Packet) bool
		}{
			"duplicate": {Link{Duplicate: chance}, func(arrived []Packet) bool { return len(arrived) == 2 }},
			"corrupt":   {Link{Corrupt: chance}, func(arrived []Packet) bool { return arrived[0].Flip >= 0 }},
			"reorder":   {Link{Latency: ms, Reorder: chance}, func(arrived []Packet) bool { return arrived[0].Arrive == 0 }},
		} {
			f := NewPacketFlow(tc.link, statisticsSeed)
			var befallen []bool
			for range packets {
				arrived, _ := f.Send(0, 100)
				befallen = append(befallen, tc.is(arrived))
			}
			assertRuns(t, chance.Probability, run, befallen, "%s %+v", name, chance)
		}
	}
}

// With probability 1 it always happens, and with probability 0 never.
func TestCertainty(t *testing.T) {
	for i := range uint64(10_000) {
		draws := drawsOf(0, PacketID{Number: i})
		require.True(t, draws.chance(DrawnLoss, 1))
		require.False(t, draws.chance(DrawnLoss, 0))
	}
	assert.True(t, roll(1<<64-1).below(1))
	assert.False(t, roll(0).below(0))
	assert.True(t, roll(1<<63-1).below(0.5))
	assert.False(t, roll(1<<63).below(0.5))
}

package netem

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// bulk sends the given number of packets at once and returns the pieces.
func bulk(link Link, seed uint64, packets int) []Piece {
	f := NewFlow(link, seed)
	return settle(f, sendAll(f, 0, packets*1500))
}

// On a stream, too, packets are lost with the probability that the formula gives. Each
// loss delays the packets after it, but a burst does not delay one packet by minutes,
// let alone end the connection.
func TestBurstsOnAStream(t *testing.T) {
	const packets, transfers = 700, 300
	for name, model := range map[string]struct {
		loss  Loss
		share float64
	}{
		"bursts of ten":  {Loss{GilbertElliott: GilbertElliott{P: 0.001, R: 0.1, LossBad: 1}}, 0.001 / 0.101},
		"four states":    {Loss{Markov: Markov{P13: 0.001, P31: 0.1, P23: 1}}, 0.01 / 1.01},
		"independent":    {Loss{Random: 0.01}, 0.01},
		"single, by gap": {Loss{Markov: Markov{P31: 1, P23: 1, P14: 0.01}}, 0.01 / 1.01},
	} {
		lost, late := 0, 0
		for seed := range uint64(transfers) {
			pieces := bulk(Link{Rate: 10 * Mbps, Latency: 20 * ms, Loss: model.loss}, seed, packets)
			for _, piece := range pieces {
				assert.False(t, piece.Failed, name)
				if piece.Sent > 1 {
					lost++
				}
			}
			if last := pieces[len(pieces)-1]; last.Arrive > last.Leave+10*time.Second {
				late++
			}
		}
		// A burst of ten is one event: only the number of bursts varies.
		assert.InEpsilon(t, model.share*packets*transfers, float64(lost), 0.25, name)
		assert.Zero(t, late, name)
	}
}

// Packets in flight when the timer expires were sent under the old timeout, so
// many losses in one flight cost hardly more time than the worst of them.
func TestLossesOfOneFlightWaitTogether(t *testing.T) {
	for seed := range uint64(100) {
		var want time.Duration
		pieces := bulk(Link{Latency: 20 * ms, Loss: Loss{Random: 0.05}}, seed, 700)
		later := 0 // packets that arrive without being lost
		for i := len(pieces) - 1; i >= 0; i-- {
			arrives := 20 * ms // without losses; later packets arrive no earlier
			switch again := pieces[i].Sent - 1; {
			case again == 0:
				later++
			case later >= 3: // fast retransmission; the second loss of a packet costs 1 s, the third 2 s, the fourth 4 s
				arrives += 20*ms + time.Duration(1<<(again-1)-1)*time.Second
			default: // the timer; the first loss costs 1 s
				arrives += time.Duration(1<<again-1) * time.Second
			}
			want = max(want, arrives)
		}
		assert.Equal(t, want, pieces[len(pieces)-1].Arrive, "seed %d", seed)
	}
}

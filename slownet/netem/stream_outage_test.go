package netem

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A sender without acknowledgements retries after a second, or after the round
// trip if it is known, then after twice that, and gives up after 15 retries.
func TestLose(t *testing.T) {
	attempts := func(f *Flow) (at []time.Duration) {
		now := time.Duration(0)
		for goesOn := true; goesOn; {
			now, goesOn = f.Lose(now)
			at = append(at, now)
		}
		return at
	}
	const s = time.Second
	flow := NewFlow(Link{}, 0)
	unknown := []time.Duration{1 * s, 3 * s, 7 * s, 15 * s, 31 * s, 63 * s}
	for len(unknown) < 16 {
		unknown = append(unknown, unknown[len(unknown)-1]+time.Minute)
	}
	assert.Equal(t, unknown, attempts(flow))

	flow = NewFlow(Link{Latency: 100 * ms}, 0)
	flow.SetReturn(200 * ms)
	flow.Send(0, 1)
	assert.Equal(t, []time.Duration{300 * ms, 900 * ms, 2100 * ms}, attempts(flow)[:3])

	again, goesOn := flow.Lose(s)
	assert.False(t, goesOn, "it has given up")
	assert.Equal(t, 61*s, again)
	flow.Recover()
	again, goesOn = flow.Lose(s)
	assert.True(t, goesOn)
	assert.Equal(t, 1300*ms, again)

	flow = NewFlow(Link{Latency: ms}, 0)
	flow.Send(0, 1)
	assert.Equal(t, []time.Duration{200 * ms, 600 * ms}, attempts(flow)[:2], "at least 200 ms")
}

// A ping takes the latency but no capacity, arrives after everything that was sent
// before, and can be lost.
func TestPing(t *testing.T) {
	flow := NewFlow(Link{Latency: 100 * ms, Rate: 8 * Kbps}, 0)
	arrive, arrives := flow.Ping(0)
	assert.True(t, arrives)
	assert.Equal(t, 100*ms, arrive)
	piece := flow.Send(0, 100)
	assert.Equal(t, 200*ms, piece.Arrive)
	arrive, _ = flow.Ping(50 * ms)
	assert.Equal(t, 200*ms, arrive)

	_, arrives = NewFlow(Link{Loss: Loss{Random: 1}}, 0).Ping(0)
	assert.False(t, arrives)
	_, arrives = NewFlow(Link{Corrupt: Chance{Probability: 1}}, 0).Ping(0)
	assert.False(t, arrives)

	lost := 0
	flow = NewFlow(Link{Loss: Loss{Random: 0.25}}, 7)
	for range 10000 {
		if _, arrives := flow.Ping(0); !arrives {
			lost++
		}
	}
	assert.InDelta(t, 2500, lost, 150)
}

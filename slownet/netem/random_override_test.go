package netem

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Impairments can be overridden for single packets; loss states and
// correlations are not affected, and impairments are reported.
func TestOverride(t *testing.T) {
	link := Link{
		Latency: ms,
		Loss:    Loss{GilbertElliott: GilbertElliott{P: 0.1, R: 0.3, LossBad: 1}},
		Corrupt: Chance{Probability: 0.2, Correlation: 0.5},
	}
	run := func(rolls map[Draw]uint64) (fates []Fate, befell []Draw) {
		line := NewLine(link, 7)
		line.Override(&Overrides{Rolls: rolls, OnImpairment: func(d Draw) { befell = append(befell, d) }})
		for i := range uint64(300) {
			fates = append(fates, line.Send(time.Duration(i)*ms, 100, PacketID{1, i}, nil))
		}
		return fates, befell
	}
	whole, befell := run(nil)
	require.Greater(t, len(befell), 50)
	for _, i := range []int{0, len(befell) / 2, len(befell) - 1} {
		d := befell[i]
		fates, left := run(map[Draw]uint64{d: NeverRolled})
		assert.NotContains(t, left, d)
		for n := range fates {
			if uint64(n) != d.ID.Number {
				assert.Equal(t, whole[n], fates[n], "packet %d, with another %v", n, d)
			}
		}
		assert.NotEqual(t, whole[d.ID.Number], fates[d.ID.Number])
	}
	d := Draw{PacketID{1, 20}, DrawnCorrupt}
	require.NotContains(t, befell, d)
	fates, told := run(map[Draw]uint64{d: 0, {d.ID, DrawnFlip}: 17})
	assert.Contains(t, told, d)
	assert.Equal(t, 17, fates[20].Packets[0].Flip)
	assert.Equal(t, "corrupt", d.Kind.String())
	assert.Equal(t, "DrawKind(0)", DrawKind(0).String())
	assert.Equal(t, "DrawKind(100)", DrawKind(100).String())
}

// On an ideal stream, a loss is reported once, and can be overridden.
func TestOverrideOnAnIdealStream(t *testing.T) {
	run := func(rolls map[Draw]uint64) (arrive []time.Duration, befell []Draw) {
		line := NewLine(Link{Latency: ms, Loss: Loss{Random: 0.5}}, 7)
		line.Override(&Overrides{Rolls: rolls, OnImpairment: func(d Draw) { befell = append(befell, d) }})
		var flow Flow
		flow.Init(line, 3)
		for range 10 {
			arrive = append(arrive, flow.Send(0, 100).Arrive)
		}
		return arrive, befell
	}
	_, befell := run(nil)
	require.NotEmpty(t, befell)
	rolls := make(map[Draw]uint64)
	for _, d := range befell {
		assert.Equal(t, Draw{PacketID{3, d.ID.Number}, DrawnLoss}, d)
		rolls[d] = NeverRolled
	}
	require.Len(t, rolls, len(befell), "each is reported once")
	arrive, befell := run(rolls)
	assert.Empty(t, befell)
	for _, at := range arrive {
		assert.Equal(t, ms, at)
	}
}

// Without overrides a draw does not allocate.
func TestNoOverride(t *testing.T) {
	line := NewLine(Link{Latency: ms, Loss: Loss{Random: 0.5}, Jitter: Jitter{Deviation: ms / 2}}, 7)
	number := uint64(0)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		number++
		line.Send(0, 100, PacketID{1, number}, nil)
	}))
}

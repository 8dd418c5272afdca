package simtest

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// unluckyRun sends 200 datagrams, one a millisecond, from a to b, and returns the fate
// of each and the recorded decisions.
func unluckyRun(t *testing.T, o overrides, link netem.Link, access netem.Profile) (fates map[int]string, drawn []drawOverride) {
	t.Helper()
	fates = make(map[int]string)
	config := Config{Link: link, decided: &decisions{}}
	config.Trace = func(e trace.Event) {
		switch {
		case e.Kind == trace.Drop:
			fates[e.Length] += "dropped: " + e.Note
		case e.Kind == trace.Data && e.Hash == hash(make([]byte, e.Length)):
			fates[e.Length] += fmt.Sprint("after ", e.At%time.Millisecond)
		case e.Kind == trace.Data:
			fates[e.Length] += "changed"
		}
	}
	(&replay{seed: 3, overrides: o}).apply(&config)
	carriedOut(t, config, func(t *testing.T, sim *Sim) {
		if access != (netem.Profile{}) {
			sim.Host("a").SetAccess(access)
			sim.Host("b").SetAccess(access)
		}
		_, err := sim.Host("b").ListenPacket("udp", ":1")
		require.NoError(t, err)
		socket, err := sim.Host("a").Dial("udp", "b:1")
		require.NoError(t, err)
		for i := range 200 {
			_, err := socket.Write(make([]byte, i+1))
			require.NoError(t, err)
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
	})
	return fates, config.decided.draws
}

// Without its loss, duplication, corruption or reordering, a packet arrives unchanged,
// and all other packets fare as before: with every loss model, and on a host's access
// too.
func TestDrawsThatAreOverridden(t *testing.T) {
	const latency = 100 * time.Microsecond
	lossy := func(loss netem.Loss) netem.Link { return netem.Link{Latency: latency, Loss: loss} }
	unlucky := netem.Link{
		Latency:   latency,
		Loss:      netem.Loss{Random: 0.1},
		Duplicate: netem.Chance{Probability: 0.1, Correlation: 0.3},
		Corrupt:   netem.Chance{Probability: 0.1, Correlation: 0.3},
		Reorder:   netem.Chance{Probability: 0.1, Correlation: 0.3},
	}
	for name, test := range map[string]struct {
		link   netem.Link
		access netem.Profile
		lines  []lineName
	}{
		"random":          {link: lossy(netem.Loss{Random: 0.2})},
		"certain":         {link: lossy(netem.Loss{Random: 1})},
		"Gilbert-Elliott": {link: lossy(netem.Loss{GilbertElliott: netem.GilbertElliott{P: 0.1, R: 0.3, LossBad: 1}})},
		"Markov":          {link: lossy(netem.Loss{Markov: netem.Markov{P13: 0.1, P31: 0.2, P32: 0.3, P23: 0.3, P14: 0.1}})},
		"all":             {link: unlucky},
		"access":          {access: netem.Profile{Up: unlucky, Down: unlucky}, lines: []lineName{{"a", ""}, {"", "b"}}},
	} {
		t.Run(name, func(t *testing.T) {
			whole, drawn := unluckyRun(t, overrides{}, test.link, test.access)
			require.NotEmpty(t, drawn)
			lines := test.lines
			if lines == nil {
				lines = []lineName{{"a", "b"}}
			}
			seen := make(map[lineName]int)
			for _, draw := range drawn {
				seen[draw.lineName]++
			}
			require.ElementsMatch(t, lines, slices.Collect(maps.Keys(seen)))
			// Without all of them; a packet that is not lost may be duplicated.
			var fates map[int]string
			var all overrides
			for left := drawn; len(left) > 0; {
				all.draws = append(all.draws, left...)
				fates, left = unluckyRun(t, all, test.link, test.access)
				require.Less(t, len(all.draws), 2*len(drawn), "left: %v", left)
			}
			for size, fate := range fates {
				assert.Equal(t, fmt.Sprint("after ", time.Duration(len(lines))*latency), fate, "datagram %d", size)
			}
			assert.Len(t, fates, 200)
			// Without one of them.
			i := len(drawn) / 2
			fates, left := unluckyRun(t, overrides{draws: drawn[i : i+1]}, test.link, test.access)
			differ := 0
			for size, fate := range whole {
				if fates[size] != fate {
					differ++
				}
			}
			assert.Equal(t, 1, differ)
			for _, draw := range left { // the packet itself may have others
				assert.True(t, slices.Contains(drawn, draw) || draw.draw.ID.Number == drawn[i].draw.ID.Number, "%v", draw)
			}
			assert.NotContains(t, left, drawn[i])
		})
	}
}

// A packet can be given an impairment that its seed does not give it; its jitter and
// its flipped bit can be changed.
func TestDrawsThatAreOverriddenToImpair(t *testing.T) {
	link := netem.Link{
		Latency:   time.Millisecond / 2,
		Loss:      netem.Loss{Random: 0.001},
		Duplicate: netem.Chance{Probability: 0.001},
		Jitter:    netem.Jitter{Deviation: time.Millisecond / 10},
	}
	whole, drawn := unluckyRun(t, overrides{}, link, netem.Profile{})
	require.Empty(t, drawn)
	flow := uint64(0x140d514e9fe270c6) // the only socket's of the first host
	draw := func(number uint64, what netem.DrawKind, roll uint64) drawOverride {
		return drawOverride{lineName{"a", "b"}, netem.Draw{ID: netem.PacketID{Flow: flow, Number: number}, Kind: what}, roll}
	}
	fates, left := unluckyRun(t, overrides{draws: []drawOverride{
		draw(17, netem.DrawnLoss, 0),
		draw(18, netem.DrawnDuplicate, 0),
		draw(19, netem.DrawnJitter, 0),
		draw(1000, netem.DrawnLoss, 0), // there is no such packet
		{lineName{"a", "b"}, netem.Draw{ID: netem.PacketID{Flow: 1, Number: 17}, Kind: netem.DrawnLoss}, 0}, // nor such a flow
	}}, link, netem.Profile{})
	assert.Equal(t, []drawOverride{draw(17, netem.DrawnLoss, netem.NeverRolled), draw(18, netem.DrawnDuplicate, netem.NeverRolled)}, left)
	assert.Equal(t, "dropped: loss", fates[17])
	assert.Len(t, fates[18], 2*len("after 123.456µs"))
	assert.Equal(t, "after 400µs", fates[19], "the least")
	for _, number := range []int{17, 18, 19} {
		delete(fates, number)
		delete(whole, number)
	}
	assert.Equal(t, whole, fates)
}

// An override that names a host that is never created fails the test, which prints the
// name, as for a schedule.
func TestOverridesOfUnknownHosts(t *testing.T) {
	var config Config
	r, err := parseReplay("x", []byte("simtest-replay 1\ngo x\nseed 1\ndigest unknown\n"+
		"draw aa > b 0000000000000001 17 loss ffffffffffffffff\n"+
		"draw * > aa 0000000000000001 17 loss ffffffffffffffff\n"))
	require.NoError(t, err)
	r.apply(&config)
	carriedOut(t, config, func(t *testing.T, sim *Sim) {
		sim.Host("a")
		sim.Host("b")
		assert.Equal(t, `simtest: some hosts were named but never created: fix the names, or create the hosts with Sim.Host
  the replay's "draw aa > b 0000000000000001 17 loss ffffffffffffffff" names "aa"
`, sim.missingHosts())
		sim.Host("aa")
		assert.Empty(t, sim.missingHosts())
	})
}

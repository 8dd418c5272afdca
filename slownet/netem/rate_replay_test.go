package netem

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseReplay(t *testing.T) {
	scenarios := []struct {
		name, text string
		slots      []time.Duration
		rate       Rate
	}{
		{"one slot a millisecond is 12 Mbit/s", "1\n", []time.Duration{ms}, 12 * Mbps},
		{"one slot in 3 ms is 4 Mbit/s", "3", []time.Duration{3 * ms}, 4 * Mbps},
		{"the same number several times", "0\n0\n2\n2\n", []time.Duration{0, 0, 2 * ms, 2 * ms}, 24 * Mbps},
		{"comments, empty lines, blanks and DOS lines", "# a phone\n\n 5 \r\n\t\n#6\n007\n", []time.Duration{5 * ms, 7 * ms}, 24 * Mbps / 7},
		{"the longest", "4611686018427\n", []time.Duration{4611686018427 * ms}, 0},
	}
	for _, scenario := range scenarios {
		t.Run(scenario.name, func(t *testing.T) {
			replay, err := ParseReplay(iotest.OneByteReader(strings.NewReader(scenario.text)))
			require.NoError(t, err)
			assert.Equal(t, scenario.slots, replay.slots)
			assert.Equal(t, scenario.rate, replay.MeanRate())
		})
	}
}

func TestParseReplayRefuses(t *testing.T) {
	const noTime = " cannot be used: it must be a whole number of milliseconds since the start"
	for text, want := range map[string]string{
		"":                                     "netem: replay: it is empty: it must have one number of milliseconds or more",
		"# nothing\n\n":                        "netem: replay: it is empty: it must have one number of milliseconds or more",
		"0\n0\n":                               "netem: replay: it takes no time: the last number must be 1 or more",
		"1\n\n-2\n":                            `netem: replay, line 3: "-2"` + noTime,
		"1\n+2\n":                              `netem: replay, line 2: "+2"` + noTime,
		"1.5":                                  `netem: replay, line 1: "1.5"` + noTime,
		"1 2":                                  `netem: replay, line 1: "1 2"` + noTime,
		"0x10":                                 `netem: replay, line 1: "0x10"` + noTime,
		"1_000":                                `netem: replay, line 1: "1_000"` + noTime,
		"4611686018428":                        "netem: replay, line 1: 4611686018428" + noTime,
		"99999999999999999999":                 `netem: replay, line 1: "99999999999999999999"` + noTime,
		"1\n\xff\n":                            `netem: replay, line 2: "\xff"` + noTime,
		strings.Repeat("x", 50):                `netem: replay, line 1: "` + strings.Repeat("x", 40) + `"` + noTime,
		"# slots\n7\n6\n":                      "netem: replay, line 3: 6 comes after 7: they must be in order",
		"1\n" + strings.Repeat("1", 1<<17):     "netem: replay, line 2 is longer than a number of milliseconds can be",
		"1\n\n1" + strings.Repeat(" ", 64<<10): "netem: replay, line 3 is longer than a number of milliseconds can be",
	} {
		replay, err := ParseReplay(strings.NewReader(text))
		assert.EqualError(t, err, want)
		assert.Nil(t, replay)
	}
}

func TestParseReplayReadError(t *testing.T) {
	broken := errors.New("the disk is gone")
	_, err := ParseReplay(io.MultiReader(strings.NewReader("1\n2\n"), iotest.ErrReader(broken)))
	assert.ErrorIs(t, err, broken)
	assert.EqualError(t, err, "netem: replay, after line 2: the disk is gone")
}

// In the long run a replay passes bytes at its mean rate: in 1,000 rounds of 4
// slots in 7 ms, 4,000 times 1,500 bytes.
func TestReplayMeanRate(t *testing.T) {
	replay := replayOf(1, 1, 4, 7)
	pieces := sendAll(NewFlow(Link{Replay: replay}, 0), 0, 4000*1500)
	assert.Equal(t, 7*time.Second, pieces[len(pieces)-1].Leave)
	assert.InDelta(t, 4000*1500*8/7.0, float64(replay.MeanRate()), 1)
}

// In every replay, successive slots never go back in time, and the first slot at or after
// the time of a slot is that slot itself or an earlier slot at the same time.
func FuzzParseReplay(f *testing.F) {
	for _, seed := range []string{"1", "0\n0\n1\n", "# x\n5\n5\n9\n", "4611686018427", "0\n4611686018427", "3\n2", "1\n1\n1\n1"} {
		f.Add(seed, int64(3))
	}
	f.Fuzz(func(t *testing.T, text string, first int64) {
		replay, err := ParseReplay(strings.NewReader(text))
		if err != nil {
			require.Nil(t, replay)
			require.ErrorContains(t, err, "netem: replay")
			return
		}
		require.GreaterOrEqual(t, replay.MeanRate(), Rate(0))
		first &= 1<<62 - 1
		for _, base := range []int64{0, first % 1000, first} {
			for slot := base; slot < base+int64(min(3*len(replay.slots), 30)); slot++ {
				at, following := replay.at(slot), replay.at(slot+1)
				require.GreaterOrEqual(t, at, time.Duration(0))
				require.GreaterOrEqual(t, following, at)
				if following == timeline.End {
					break
				}
				found := replay.next(at)
				require.LessOrEqual(t, found, slot)
				require.Equal(t, at, replay.at(found))
				if found > 0 {
					require.Less(t, replay.at(found-1), at, "it is the first")
				}
				if following > at {
					require.Equal(t, following, replay.at(replay.next(at+1)))
				}
			}
		}
		flow := NewFlow(Link{Replay: replay}, 0)
		now, last := time.Duration(first), Piece{}
		for range 5 {
			piece := flow.Send(now, 1501)
			require.GreaterOrEqual(t, piece.Leave, max(now, last.Leave))
			require.Positive(t, piece.Bytes)
			last = piece
		}
	})
}

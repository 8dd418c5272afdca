package slownet

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const ms = time.Millisecond

// sendAll sends n bytes at now and returns the pieces.
func sendAll(f *Flow, now time.Duration, n int) (pieces []Piece) {
	for n > 0 {
		piece := f.Send(now, n)
		pieces = append(pieces, piece)
		n -= piece.Bytes
	}
	return pieces
}

func TestFlow(t *testing.T) {
	scenarios := []struct {
		name  string
		link  Link
		sends []Piece // Bytes are sent at Leave; Arrive is unused
		want  []Piece
	}{
		{"the zero link passes all at once", Link{},
			[]Piece{{Bytes: 1 << 30, Leave: 5 * ms}},
			[]Piece{{1 << 30, 5 * ms, 5 * ms}}},
		{"latency", Link{Latency: 50 * ms},
			[]Piece{{Bytes: 10}, {Bytes: 20, Leave: 1 * ms}},
			[]Piece{{10, 0, 50 * ms}, {20, 1 * ms, 51 * ms}}},
		{"rate: 1500 bytes are 12,000 bits, 12 ms at 1 Mbit/s; 500 more are 4 ms", Link{Rate: Mbps},
			[]Piece{{Bytes: 2000}},
			[]Piece{{1500, 12 * ms, 12 * ms}, {500, 16 * ms, 16 * ms}}},
		{"rate: what is sent later queues behind, and after a rest starts at once", Link{Rate: Mbps},
			[]Piece{{Bytes: 1000}, {Bytes: 1000, Leave: 2 * ms}, {Bytes: 1000, Leave: 100 * ms}},
			[]Piece{{1000, 8 * ms, 8 * ms}, {1000, 16 * ms, 16 * ms}, {1000, 108 * ms, 108 * ms}}},
		{"pace: 25 bytes are 10, 10 and 5", Link{Pace: Pace{10, 100 * ms}},
			[]Piece{{Bytes: 25}},
			[]Piece{{10, 0, 0}, {10, 100 * ms, 100 * ms}, {5, 200 * ms, 200 * ms}}},
		{"pace: the end of the stream waits after the last piece", Link{Pace: Pace{10, 100 * ms}},
			[]Piece{{Bytes: 3}, {}},
			[]Piece{{3, 0, 0}, {0, 100 * ms, 100 * ms}}},
		{"pace without a number of bytes waits after each write", Link{Pace: Pace{Wait: 1 * ms}},
			[]Piece{{Bytes: 3}, {Bytes: 4}},
			[]Piece{{3, 0, 0}, {4, 1 * ms, 1 * ms}}},
		{"pace and rate: 2,000 bytes take 16 ms in two frames, then comes the wait",
			Link{Rate: Mbps, Pace: Pace{2000, 10 * ms}},
			[]Piece{{Bytes: 3000}},
			[]Piece{{1500, 12 * ms, 12 * ms}, {500, 16 * ms, 16 * ms}, {1000, 34 * ms, 34 * ms}}},
		{"all of it", Link{Latency: 50 * ms, Rate: Mbps, Pace: Pace{500, 10 * ms}},
			[]Piece{{Bytes: 600, Leave: 1 * ms}, {Leave: 1 * ms}},
			[]Piece{{500, 5 * ms, 55 * ms}, {100, 15800 * time.Microsecond, 65800 * time.Microsecond},
				{0, 25800 * time.Microsecond, 75800 * time.Microsecond}}},
		{"nothing takes no time", Link{Rate: 1, Pace: Pace{1, time.Hour}},
			[]Piece{{}, {}},
			[]Piece{{0, 0, 0}, {0, 0, 0}}},
		{"the end of time is not passed", Link{Rate: 1, Latency: maxDuration},
			[]Piece{{Bytes: 1, Leave: 1}},
			[]Piece{{1, 8*time.Second + 1, maxDuration}}},
	}
	for _, scenario := range scenarios {
		t.Run(scenario.name, func(t *testing.T) {
			f := NewFlow(scenario.link)
			var got []Piece
			for _, send := range scenario.sends {
				if send.Bytes == 0 {
					got = append(got, f.Send(send.Leave, 0))
				}
				got = append(got, sendAll(f, send.Leave, send.Bytes)...)
			}
			assert.Equal(t, scenario.want, got)
		})
	}
}

func TestFlowRoundingDoesNotAddUp(t *testing.T) {
	f := NewFlow(Link{Rate: 3}) // a byte takes 2 2/3 s
	var last Piece
	for range 3000 {
		last = f.Send(0, 1)
	}
	assert.Equal(t, 8000*time.Second, last.Leave)
}

// A write that is given up in the middle is followed by the pace's wait.
func TestFlowBreak(t *testing.T) {
	f := NewFlow(Link{Rate: Mbps, Pace: Pace{Wait: time.Second}})
	assert.Equal(t, Piece{1500, 12 * ms, 12 * ms}, f.Send(0, 9000))
	f.Break()
	f.Break()
	assert.Equal(t, Piece{125, 1013 * ms, 1013 * ms}, f.Send(20*ms, 125))
	f.Break()
	assert.Equal(t, Piece{125, 2014 * ms, 2014 * ms}, f.Send(20*ms, 125))
}

func TestFlowChangedLinkDoesNotOvertake(t *testing.T) {
	f := NewFlow(Link{Latency: time.Second})
	assert.Equal(t, Piece{1, 0, time.Second}, f.Send(0, 1))
	f.SetLink(Link{Latency: 10 * ms})
	assert.Equal(t, Piece{1, ms, time.Second}, f.Send(ms, 1))
	assert.Equal(t, Piece{1, 2 * time.Second, 2010 * ms}, f.Send(2*time.Second, 1))
}

// What is true of every link: no byte is lost or overtakes another, none
// arrives before its latency has passed, and never do more pass than the rate
// and the pace allow.
func TestFlowProperties(t *testing.T) {
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 0))
		maybe := func(n int64) int64 { return random.Int64N(n) * random.Int64N(2) }
		link := Link{
			Latency: time.Duration(maybe(int64(time.Second))),
			Rate:    Rate(maybe(int64(Gbps))),
			Pace:    Pace{int(maybe(5000)), time.Duration(maybe(int64(time.Second)))},
		}
		f := NewFlow(link)
		var now, firstLeave time.Duration
		var last Piece
		var sent, passed, afterFirst int64
		for range 50 {
			now += time.Duration(maybe(int64(time.Second)))
			n := 1 + random.IntN(5000)
			sent += int64(n)
			for _, piece := range sendAll(f, now, n) {
				passed += int64(piece.Bytes)
				switch {
				case piece.Bytes < 1:
					t.Fatalf("seed %d, %+v: %+v is empty", seed, link, piece)
				case piece.Leave < now || piece.Leave < last.Leave || piece.Arrive < last.Arrive:
					t.Fatalf("seed %d, %+v: %+v comes before %+v", seed, link, piece, last)
				case piece.Arrive != piece.Leave+link.Latency:
					t.Fatalf("seed %d, %+v: %+v is not under way for the latency", seed, link, piece)
				case link.Pace.Bytes > 0 && piece.Bytes > link.Pace.Bytes:
					t.Fatalf("seed %d, %+v: %+v is larger than the pace allows", seed, link, piece)
				}
				last = piece
				if firstLeave == 0 {
					firstLeave = piece.Leave
					continue
				}
				// All that left after the first piece has passed since then.
				afterFirst += int64(piece.Bytes)
				if allowed := float64(link.Rate) / 8 * (piece.Leave - firstLeave + 1).Seconds(); link.Rate > 0 && float64(afterFirst) > allowed+1e-3 {
					t.Fatalf("seed %d, %+v: %d bytes passed by %v where the rate allows %.3f", seed, link, afterFirst, piece.Leave, allowed)
				}
			}
		}
		require.Equal(t, sent, passed, "seed %d: every byte passes", seed)
	}
}

func TestLinkValidate(t *testing.T) {
	assert.NoError(t, Link{}.Validate())
	assert.NoError(t, Link{Latency: 1, Rate: 1, Pace: Pace{1, 1}}.Validate())
	for want, link := range map[string]Link{
		"slownet: Latency is -1s: it must be 0 or more":              {Latency: -time.Second},
		"slownet: Rate is -8kbit/s: it must be 0 (no limit) or more": {Rate: -8 * Kbps},
		"slownet: Pace.Bytes is -1: it must be 0 (no limit) or more": {Pace: Pace{Bytes: -1}},
		"slownet: Pace.Wait is -1ns: it must be 0 or more":           {Pace: Pace{Wait: -1}},
	} {
		assert.EqualError(t, link.Validate(), want)
		assert.PanicsWithValue(t, want, func() { NewFlow(link) })
		assert.PanicsWithValue(t, want, func() { NewFlow(Link{}).SetLink(link) })
		assert.PanicsWithValue(t, want, func() { NewConn(nil, Config{Write: link}) })
		assert.PanicsWithValue(t, want, func() { NewListener(nil, Config{Write: link}) })
	}
}

func TestRateString(t *testing.T) {
	for want, rate := range map[string]Rate{
		"0bit/s": 0, "56kbit/s": 56 * Kbps, "1Mbit/s": Mbps, "10Gbit/s": 10 * Gbps, "1500kbit/s": 1500 * Kbps, "999bit/s": 999,
	} {
		assert.Equal(t, want, rate.String())
	}
}

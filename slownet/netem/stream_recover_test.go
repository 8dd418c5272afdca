package netem

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tier"
)

// A lossyFlow runs over a link of 1 Mbit/s, on which a packet of 1,500 bytes
// takes 12 ms. The latency is 40 ms for packets, and 28 ms for acknowledgements.
type lossyFlow struct {
	*Flow
	pieces []Piece
	link   Link
}

func newLossyFlow(link Link) *lossyFlow {
	f := &lossyFlow{Flow: NewFlow(link, 0), link: link}
	f.SetReturn(28 * ms)
	return f
}

var slowLink = Link{Rate: Mbps, Latency: 40 * ms}

// send sends a packet for each character, as soon as possible after the given
// time. The packet of an 'x' is lost once.
func (f *lossyFlow) send(at time.Duration, packets string) {
	for _, packet := range packets {
		link := f.link
		if packet == 'x' {
			link.Loss = everyOther
		}
		f.Line().SetSharedLink(&link)
		f.pieces = append(f.pieces, f.Send(at, 1500))
	}
}

// arrivals returns the arrival times of all pieces, in milliseconds.
func (f *lossyFlow) arrivals() (text string) {
	for _, piece := range settle(f.Flow, f.pieces) {
		text += fmt.Sprint(float64(piece.Arrive)/float64(ms), " ")
	}
	return text
}

// A lost packet is retransmitted when the acknowledgement of the third later
// packet arrives, or else when the timer expires, which takes a second at first.
// The packets leave at 12 ms, 24 ms and so on. A retransmission delays each
// packet after it by 12 ms.
func TestFastRetransmit(t *testing.T) {
	for _, test := range []struct{ name, packets, want string }{
		{"the third later packet leaves at 24 + 36 = 60 ms, arrives at 100, and is acknowledged at 128; the retransmission takes 12 + 40",
			"x....", "180 180 180 180 180 "},
		{"further packets change only their own arrival times",
			"x............", "180 180 180 180 180 180 180 180 180 180 184 196 208 "},
		{"a loss in the middle: 36 ms, 48, 84, 124, 152", "..x...", "52 64 204 204 204 204 "},
		{"two packets follow: the retransmission is sent a second after 12 ms, and takes 12 + 40", "x..", "1064 1064 1064 "},
		{"no packet follows: a second after 48 ms", "...x", "52 64 76 1100 "},
		{"two losses in one flight: the fifth packet is the third that arrives, at 84 + 40, and the seventh, at 108 + 40",
			"x..x...", "204 204 204 228 228 228 228 "},
		{"two in a row: the fifth packet, at 84 + 40", "xx...", "204 204 204 204 204 "},
		{"two packets follow the second loss: the fifth packet, at 84 + 40, and then a second after 72",
			"x...x..", "180 180 180 180 1124 1124 1124 "},
	} {
		f := newLossyFlow(slowLink)
		f.send(0, test.packets)
		assert.Equal(t, test.want, f.arrivals(), test.name)
	}
}

// Packets of later writes count, too, if they are acknowledged before the timer
// expires, at 1,012 ms.
func TestFastRetransmitByLaterWrites(t *testing.T) {
	for _, test := range []struct {
		name string
		at   time.Duration
		want string
	}{
		{"the last packet leaves at 512 ms, arrives at 552, and is acknowledged at 580", 500 * ms, "632 632 632 632 "},
		{"acknowledged in the last nanosecond", 932*ms - 1, "1063.999999 1063.999999 1063.999999 1063.999999 "},
		{"acknowledged when the timer expires", 932 * ms, "1064 1064 1064 1064 "},
		{"acknowledged too late", 940 * ms, "1064 1064 1064 1064 "},
		{"sent after the retransmission has arrived", 1100 * ms, "1064 1064 1064 1152 "},
	} {
		f := newLossyFlow(slowLink)
		f.send(0, "x..")
		f.send(test.at, ".")
		assert.Equal(t, test.want, f.arrivals(), test.name)
	}
}

// The end of the stream and pings do not count as later packets.
func TestFastRetransmitByPacketsAlone(t *testing.T) {
	f := newLossyFlow(slowLink)
	f.send(0, "x..")
	_, arrives := f.Ping(20 * ms)
	assert.True(t, arrives)
	f.pieces = append(f.pieces, f.Send(20*ms, 0))
	assert.Equal(t, "1064 1064 1064 1064 ", f.arrivals())
}

// Packets that the pace delays count when they are acknowledged: the third
// leaves at 3 x 100 ms + 4 x 12 ms, after one retransmission of 12 ms, and
// arrives 40 ms later.
func TestFastRetransmitUnderAPace(t *testing.T) {
	paced := slowLink
	paced.Pace = Pace{1500, 100 * ms}
	f := newLossyFlow(paced)
	f.send(0, "x...")
	assert.Equal(t, "480 480 480 480 ", f.arrivals(), "360 + 40 + 28 + 12 + 40")

	paced.Pace.Wait = 500 * ms
	f = newLossyFlow(paced)
	f.send(0, "x...")
	assert.Equal(t, "1064 1064 1088 1600 ", f.arrivals(), "the timer expires first")
}

// A full queue drops no packets of a stream, so none is retransmitted.
func TestFullQueueCausesNoRetransmission(t *testing.T) {
	full := slowLink
	full.Queue = Queue{Packets: 1}
	f := newLossyFlow(full)
	f.send(0, ".....")
	assert.Equal(t, "52 64 76 88 100 ", f.arrivals())
}

// If jitter reorders the three later packets, the retransmission waits until all
// three have arrived.
func TestFastRetransmitUnderJitter(t *testing.T) {
	for seed := range uint64(100) {
		link := Link{Latency: 40 * ms, Jitter: Jitter{Deviation: 30 * ms}}
		lossy := link
		lossy.Loss = everyOther
		f, lone := NewFlow(lossy, seed), NewPacketFlow(link, seed)
		f.SetReturn(28 * ms)
		pieces := []Piece{f.Send(0, 100)}
		f.SetLink(link)
		under := make([]time.Duration, 4) // the latency of each packet
		for i := range under {
			packets, _ := lone.Send(0, 100)
			under[i] = packets[0].Arrive
		}
		for range 3 {
			pieces = append(pieces, f.Send(0, 100))
		}
		want := max(under[1], under[2], under[3]) + 28*ms + under[0]
		for _, piece := range settle(f, pieces) {
			require.Equal(t, want, piece.Arrive, "seed %d", seed)
		}
	}
}

// A lost retransmission is recovered by the timer, which doubles: it expires a
// second after the first retransmission, and two and four seconds after the
// following ones. Each retransmission takes 12 ms, which delays the third later
// packet by as much: it leaves at 60 ms and is acknowledged at 128 ms with one
// retransmission, at 140 ms with two.
func TestLostRetransmission(t *testing.T) {
	arrives := map[int]time.Duration{2: 180 * ms, 3: 1204 * ms, 4: 3228 * ms, 5: 7252 * ms}
	seen := map[int]bool{}
	for seed := range uint64(200) {
		lossy := slowLink
		lossy.Loss.Random = 0.5
		f := NewFlow(lossy, seed)
		f.SetReturn(28 * ms)
		pieces := []Piece{f.Send(0, 1500)}
		sent := pieces[0].Sent
		if sent == 1 || arrives[sent] == 0 {
			continue
		}
		f.SetLink(slowLink)
		for range 3 {
			pieces = append(pieces, f.Send(0, 1500))
		}
		seen[sent] = true
		for _, piece := range settle(f, pieces) {
			require.Equal(t, arrives[sent], piece.Arrive, "sent %d times", sent)
		}
	}
	assert.Len(t, seen, len(arrives))
}

// After a fast retransmission the timeout is unchanged; after a retransmission
// by the timer it is doubled until a round trip has been measured.
func TestFastRetransmitDoesNotBackOff(t *testing.T) {
	for packets, want := range map[string]time.Duration{"x...": time.Second, "x..": 2 * time.Second} {
		f := newLossyFlow(slowLink)
		f.send(0, packets)
		f.arrivals()
		f.pieces = nil
		f.send(time.Hour, "x")
		require.Equal(t, time.Hour+12*ms+want+12*ms+40*ms, settle(f.Flow, f.pieces)[0].Arrive, packets)
	}
}

// It does not matter when a driver calls Step: after each packet, when Next
// says so, or at the end.
func TestStepsMayComeLate(t *testing.T) {
	pending := 0
	for seed := range tier.Count[uint64](300, 5_000) {
		random := rand.New(rand.NewPCG(seed, 5))
		link := randomLink(random)
		if link.Bottleneck != nil {
			link.Bottleneck, link.Rate = nil, link.Bottleneck.rate
		}
		punctual, late := NewFlow(link, seed), NewFlow(link, seed)
		var wants, gots []Piece
		known := 0 // of wants
		step := func(now time.Duration) bool {
			for known < len(wants) && !wants[known].Pending {
				known++
			}
			arrive, ok := punctual.Step(now)
			if ok {
				require.True(t, wants[known].Pending)
				wants[known].Arrive, wants[known].Pending = arrive, false
				pending++
			}
			return ok
		}
		for _, w := range randomWrites(random) {
			for punctual.Next() <= w.at {
				require.True(t, step(punctual.Next()))
			}
			for left := w.bytes; left > 0; left -= gots[len(gots)-1].Bytes {
				wants, gots = append(wants, punctual.Send(w.at, left)), append(gots, late.Send(w.at, left))
				for step(w.at) {
				}
			}
		}
		for punctual.Next() != Never {
			require.True(t, step(punctual.Next()))
		}
		settled := settle(late, gots)
		for i := range wants {
			wants[i].Pending = false
			require.Equal(t, wants[i].Arrive, settled[i].Arrive, "seed %d, %+v, piece %d", seed, link, i)
		}
	}
	assert.Positive(t, pending)
}

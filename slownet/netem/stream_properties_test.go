package netem

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// randomLink returns a link with about half of all features, in any
// combination.
func randomLink(random *rand.Rand) Link {
	maybe := func(n int64) int64 { return random.Int64N(n) * random.Int64N(2) }
	chance := func(most float64) float64 { return most * random.Float64() * float64(random.IntN(2)) }
	link := Link{
		Latency:   time.Duration(maybe(int64(time.Second))),
		Pace:      Pace{int(maybe(5000)), time.Duration(maybe(int64(time.Second)))},
		Queue:     Queue{Bytes: int(maybe(10_000)), Packets: int(maybe(10)), CountDelayed: random.IntN(3) == 0},
		MTU:       int(maybe(3000)),
		Duplicate: Chance{chance(1), chance(1)},
		Corrupt:   Chance{chance(0.5), chance(0.5)},
		Reorder:   Chance{chance(1), chance(1)},
	}
	link.DropOversize = link.MTU > 0 && random.IntN(4) == 0
	if random.IntN(2) == 0 {
		distributions := []*Distribution{nil, Normal, Pareto, ParetoNormal, NewDistribution([]int16{-32768, 0, 32767})}
		link.Jitter = Jitter{1 + time.Duration(random.Int64N(int64(time.Second))), distributions[random.IntN(len(distributions))], chance(1)}
	}
	switch random.IntN(4) {
	case 0:
		link.Rate = Rate(1000 + random.Int64N(int64(Gbps)))
	case 1:
		link.Replay = randomReplay(random)
	case 2:
		link.Bottleneck = NewBottleneck(Rate(1000 + random.Int64N(int64(Gbps))))
	}
	switch random.IntN(6) {
	case 0:
		link.Loss.Random = random.Float64()
	case 1:
		link.Loss.GilbertElliott = GilbertElliott{random.Float64(), random.Float64(), random.Float64(), random.Float64()}
	case 2:
		p13, p31 := random.Float64(), random.Float64()
		link.Loss.Markov = Markov{P13: p13, P31: p31, P32: (1 - p31) * random.Float64(), P23: random.Float64(), P14: (1 - p13) * random.Float64()}
	}
	return link
}

func randomReplay(random *rand.Rand) *Replay {
	slots := make([]int, 1+random.IntN(20))
	at := 0
	for i := range slots {
		slots[i] = at
		at += random.IntN(50) * random.IntN(2)
	}
	slots[len(slots)-1] = at + 1
	return replayOf(slots...)
}

// randomWrites returns writes, some of them at the same time.
func randomWrites(random *rand.Rand) []send {
	writes := make([]send, 30)
	var now time.Duration
	for i := range writes {
		now += time.Duration(random.Int64N(int64(time.Second)) * random.Int64N(2))
		writes[i] = send{now, 1 + random.IntN(5000)}
	}
	return writes
}

// sendWrites sends all of the writes, and returns the pieces and the earliest
// time at which each could begin to pass.
func sendWrites(f *Flow, writes []send) (pieces []Piece, starts []time.Duration) {
	for _, w := range writes {
		for left := w.bytes; left > 0; {
			starts = append(starts, max(w.at, f.Free()))
			piece := f.Send(w.at, left)
			pieces = append(pieces, piece)
			left -= piece.Bytes
		}
	}
	return settle(f, pieces), starts
}

// soonest returns the least time that a packet can be in flight.
func (l Link) soonest() time.Duration {
	most := l.Jitter.Deviation
	if l.Jitter.Distribution != nil {
		most *= 4
	}
	if l.Reorder.Probability > 0 {
		return 0
	}
	return max(0, l.Latency-most)
}

// Properties of every link: no byte is lost or reordered, none arrives earlier
// than possible, and no more pass, retransmissions included, than the rate, the
// replay and the pace allow.
func TestFlowProperties(t *testing.T) {
	for seed := range uint64(600) {
		random := rand.New(rand.NewPCG(seed, 0))
		link := randomLink(random)
		f := NewFlow(link, seed)
		writes := randomWrites(random)
		pieces, starts := sendWrites(f, writes)

		var written, passed, charged int
		for _, w := range writes {
			written += w.bytes
		}
		for _, piece := range pieces {
			passed += piece.Bytes
			charged += piece.Bytes * piece.Sent
		}
		require.Equal(t, written, passed, "seed %d: every byte passes", seed)

		last := Piece{}
		for i, piece := range pieces {
			wrong := ""
			switch {
			case piece.Bytes < 1:
				wrong = "is empty"
			case link.hasPackets() && piece.Bytes > link.PacketSize():
				wrong = "is larger than the MTU"
			case link.Pace.Bytes > 0 && piece.Bytes > link.Pace.Bytes:
				wrong = "is larger than the pace allows"
			case piece.Leave < starts[i] || piece.Leave < last.Leave || piece.Arrive < last.Arrive:
				wrong = "comes before the one before"
			case !piece.Failed && piece.Arrive < piece.Leave+link.soonest():
				wrong = "arrives earlier than it can"
			case piece.Failed != (piece.Failed && piece.Sent == 16) || piece.Sent < 1 || piece.Sent > 16:
				wrong = "was sent too often"
			case piece.Sent > 1 && piece.Arrive < piece.Leave+time.Duration(piece.Sent-2)*minTimeout:
				wrong = "was lost and did not wait"
			case piece.Sent > 1 && !link.Loss.isSet() && link.Corrupt.Probability == 0 && !link.vanishes(piece.Bytes) && !(link.DropOversize && link.Replay != nil):
				wrong = "was lost on a link that loses nothing"
			}
			if wrong != "" {
				t.Fatalf("seed %d, %+v: %+v after %+v %s", seed, link, piece, last, wrong)
			}
			last = piece
		}
		checkRate(t, seed, link, pieces, starts, f.Free())
		checkReplay(t, seed, link, pieces, charged, f.Free())
		checkPace(t, seed, link, pieces)
	}
}

func (l Loss) isSet() bool { return l != Loss{} }

// checkRate checks that each piece takes its serialization time, once for each
// transmission. A nanosecond may be missing, since the remaining fraction of
// one is carried over to the next piece.
func checkRate(t *testing.T, seed uint64, link Link, pieces []Piece, starts []time.Duration, free time.Duration) {
	rate := link.Rate
	if link.Bottleneck != nil {
		rate = link.Bottleneck.rate
	}
	if rate == 0 {
		return
	}
	for i, piece := range pieces {
		one := time.Duration(float64(piece.Bytes) * 8e9 / float64(rate))
		next := free
		if i+1 < len(pieces) {
			next = starts[i+1]
		}
		if piece.Leave < starts[i]+one-1 || next < piece.Leave+time.Duration(piece.Sent-1)*(one-1) {
			t.Fatalf("seed %d, %+v: %+v begins at %v, the next at %v: a piece takes %v", seed, link, piece, starts[i], next, one)
		}
	}
}

// checkReplay checks that no slot passes more than it holds, and that there
// were enough slots for everything sent, retransmissions included.
func checkReplay(t *testing.T, seed uint64, link Link, pieces []Piece, charged int, free time.Duration) {
	if link.Replay == nil {
		return
	}
	slots := link.Replay.slots
	round := slots[len(slots)-1]
	// room returns the number of slots at a time, counted one by one.
	room := func(at time.Duration) (n int) {
		for _, slot := range slots {
			if at >= slot && (at-slot)%round == 0 {
				n++
			}
		}
		return n
	}
	used := map[time.Duration]int{}
	for _, piece := range pieces {
		if used[piece.Leave] += piece.Bytes; used[piece.Leave] > 1500*room(piece.Leave) {
			t.Fatalf("seed %d, %+v: %d bytes leave at %v, where there are %d slots", seed, slots, used[piece.Leave], piece.Leave, room(piece.Leave))
		}
	}
	all := 0
	for _, slot := range slots {
		if free >= slot {
			all += int((free-slot)/round) + 1
		}
	}
	if charged > 1500*all {
		t.Fatalf("seed %d, %+v: %d bytes were sent until %v in %d slots", seed, slots, charged, free, all)
	}
}

// checkPace checks that during each wait no more bytes leave than the pace allows.
func checkPace(t *testing.T, seed uint64, link Link, pieces []Piece) {
	if link.Pace.Wait == 0 || link.Pace.Bytes == 0 {
		return
	}
	for i, piece := range pieces {
		bytes := 0
		for j := i; j >= 0 && pieces[j].Leave > piece.Leave-link.Pace.Wait; j-- {
			bytes += pieces[j].Bytes
		}
		if bytes > link.Pace.Bytes {
			t.Fatalf("seed %d, %+v: %d bytes leave in the wait until %v", seed, link, bytes, piece.Leave)
		}
	}
}

// The same seed gives the same sequence.
func TestFlowIsDeterministic(t *testing.T) {
	for seed := range uint64(200) {
		var runs [2][]Piece
		var datagrams [2][]Packet
		for run := range runs {
			random := rand.New(rand.NewPCG(seed, 0))
			link := randomLink(random)
			writes := randomWrites(random)
			runs[run], _ = sendWrites(NewFlow(link, seed), writes)
			f := NewPacketFlow(link, seed)
			for _, w := range writes {
				arrived, drop := f.Send(w.at, w.bytes)
				datagrams[run] = append(datagrams[run], append(arrived, Packet{Flip: int(drop)})...)
			}
		}
		require.Equal(t, runs[0], runs[1], "seed %d", seed)
		require.Equal(t, datagrams[0], datagrams[1], "seed %d", seed)
	}
}

// Each seed gives another sequence, for every random property of a link.
func TestSeedsDiffer(t *testing.T) {
	for _, link := range []Link{
		{Latency: time.Second, Jitter: Jitter{Deviation: time.Second}},
		{Latency: time.Second, Jitter: Jitter{Deviation: time.Second, Distribution: Normal, Correlation: 0.2}},
		{Loss: Loss{Random: 0.5}},
		{Loss: Loss{GilbertElliott: GilbertElliott{P: 0.5, R: 0.5, LossBad: 1}}},
		{Loss: Loss{Markov: Markov{P13: 0.5, P31: 0.5}}},
		{Corrupt: Chance{Probability: 0.5}},
		{Rate: Mbps, Duplicate: Chance{Probability: 0.5}},
		{Latency: time.Hour, Reorder: Chance{Probability: 0.5}},
	} {
		seen := map[string]bool{}
		for seed := range uint64(50) {
			f := NewPacketFlow(link, seed)
			sequence := ""
			for i := range 100 {
				arrived, drop := f.Send(time.Duration(i)*ms, 100)
				sequence += drop.String()
				for _, packet := range arrived {
					sequence += " " + packet.Arrive.String()
					if packet.Flip >= 0 {
						sequence += "!"
					}
				}
			}
			require.False(t, seen[sequence], "%+v: seed %d", link, seed)
			seen[sequence] = true
		}
	}
}

// Something that needs no capacity, such as the end of the stream, does not affect the
// impairments, departures and retransmissions of pieces. Pieces do not overtake it, so
// a piece that would arrive before it is delayed.
func TestEndChangesNoFate(t *testing.T) {
	overtaken := 0
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		link := randomLink(random)
		if link.Bottleneck != nil {
			link.Bottleneck, link.Rate = nil, link.Bottleneck.rate
		}
		plain, asked := NewFlow(link, seed), NewFlow(link, seed)
		var wants, gots []Piece
		for _, w := range randomWrites(random) {
			for left := w.bytes; left > 0; {
				for range random.IntN(3) {
					free := asked.Free()
					gots = append(gots, asked.Send(w.at, 0))
					require.Equal(t, max(w.at, free), gots[len(gots)-1].Leave)
					require.Equal(t, free, asked.Free())
				}
				wants, gots = append(wants, plain.Send(w.at, left)), append(gots, asked.Send(w.at, left))
				left -= gots[len(gots)-1].Bytes
			}
		}
		settle(plain, wants)
		var latest time.Duration
		for _, got := range settle(asked, gots) {
			if got.Bytes == 0 {
				require.Equal(t, end(got.Leave, got.Arrive), got)
				require.GreaterOrEqual(t, got.Arrive, max(latest, got.Leave+link.Latency))
				latest = got.Arrive
				continue
			}
			want := wants[0]
			if wants = wants[1:]; want.Arrive < latest {
				want.Arrive = latest
				overtaken++
			}
			require.Equal(t, want, got, "seed %d, %+v", seed, link)
		}
	}
	assert.Positive(t, overtaken, "on some links the end delays a piece")
}

package netem

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tier"
)

// busyLink returns a link on which packets often wait.
func busyLink(random *rand.Rand) Link {
	link := randomLink(random)
	switch link.Rate = 0; random.IntN(4) {
	case 0:
		link.Replay, link.Bottleneck = randomReplay(random), nil
	case 1:
		link.Replay, link.Bottleneck = nil, NewBottleneck(Rate(100_000<<random.IntN(8)))
	default:
		link.Replay, link.Bottleneck, link.Rate = nil, nil, Rate(100_000<<random.IntN(8))
	}
	link.Queue = Queue{Discipline: Discipline(random.IntN(3))}
	if random.IntN(2) == 0 {
		link.Queue.Packets = 1 + random.IntN(100)
	}
	if random.IntN(3) == 0 {
		link.Queue.Bytes = 1 + random.IntN(100_000)
	}
	link.Pace.Wait /= 50
	return link
}

// A sending is a packet to send.
type sending struct {
	at     time.Duration
	flow   uint64
	bytes  int
	paced  bool
	stream bool  // the bytes belong to an ideal stream
	link   *Link // if it is not nil, the link to set before sending
}

// randomTraffic returns packets of several flows, some of them in bursts.
func randomTraffic(random *rand.Rand) []sending {
	traffic := make([]sending, 50+random.IntN(400))
	var at time.Duration
	gap := int64(ms) << random.IntN(6)
	flows := 1 + random.IntN(6)
	paced := random.IntN(3) == 0
	for i := range traffic {
		at += time.Duration(random.Int64N(gap) * random.Int64N(2))
		traffic[i] = sending{at: at, flow: uint64(random.IntN(flows)), bytes: random.IntN(1500), paced: paced}
	}
	return traffic
}

// run sends all traffic and waits until the line is empty.
func (d *lineDriver) run(traffic []sending) {
	for _, s := range traffic {
		if s.link != nil {
			d.until(s.at)
			d.line.SetSharedLink(s.link)
		}
		if s.stream {
			d.stream(s.at, s.bytes)
		} else if s.paced {
			d.sendPaced(s.at, s.flow, s.bytes)
		} else {
			d.send(s.at, s.flow, s.bytes)
		}
	}
	d.finish()
}

// stream sends bytes of an ideal stream, unless the stream is busy at that time.
func (d *lineDriver) stream(at time.Duration, bytes int) {
	d.until(at)
	if d.ideal == nil {
		d.ideal = flowOn(d.line, 100)
	}
	if bytes > 0 && d.ideal.Free() <= at {
		piece := d.ideal.Send(at, bytes)
		d.left = append(d.left, send{piece.Leave, piece.Bytes})
	}
}

// On any line, with any traffic and any changes of the link, each packet either
// arrives or is dropped, once, and not earlier than possible, and no packet is
// left in the queue.
func TestLineLosesTrackOfNothing(t *testing.T) {
	t.Parallel()
	for seed := range tier.Count[uint64](500, 20_000) {
		random := rand.New(rand.NewPCG(seed, 1))
		d := drive(t, busyLink(random))
		traffic := randomTraffic(random)
		soonest := d.line.link.soonest()
		for range random.IntN(3) {
			link := busyLink(random)
			traffic[random.IntN(len(traffic))].link = &link
			soonest = min(soonest, link.soonest())
		}
		d.run(traffic)
		require.Equal(t, Never, d.line.Next(), "seed %d", seed)
		for _, p := range d.sent {
			require.NotEqual(t, Queued, p.drop, "seed %d: %+v", seed, p)
			require.Equal(t, p.drop == NotDropped, p.copies > 0, "seed %d: %+v", seed, p)
			require.LessOrEqual(t, p.copies, 2, "seed %d: %+v", seed, p)
			if p.copies > 0 {
				require.GreaterOrEqual(t, p.packet.Leave, p.sent, "seed %d: %+v", seed, p)
				require.GreaterOrEqual(t, p.packet.Arrive, max(p.packet.Leave, p.sent+soonest), "seed %d: %+v", seed, p)
			}
		}
	}
}

// In any interval, no more bytes pass than the rate allows, plus one packet.
func TestLineKeepsToTheRate(t *testing.T) {
	t.Parallel()
	for seed := range tier.Count[uint64](300, 10_000) {
		random := rand.New(rand.NewPCG(seed, 2))
		link := busyLink(random)
		d := drive(t, link)
		traffic := randomTraffic(random)
		for i := range traffic {
			traffic[i].stream = random.IntN(3) == 0
		}
		d.run(traffic)
		rate := link.Rate
		if link.Bottleneck != nil {
			rate = link.Bottleneck.rate
		}
		if rate == 0 {
			continue
		}
		slices.SortStableFunc(d.left, func(a, b send) int { return cmp.Compare(a.at, b.at) })
		for range 200 {
			if len(d.left) == 0 {
				break
			}
			from := random.IntN(len(d.left))
			to := from + random.IntN(len(d.left)-from)
			bits := 0
			for _, s := range d.left[from+1 : to+1] {
				bits += 8 * s.bytes
			}
			took := d.left[to].at - d.left[from].at
			require.LessOrEqual(t, float64(bits), float64(rate)*(took+1).Seconds()+1e-3, "seed %d, %+v: from %v to %v", seed, link, d.left[from].at, d.left[to].at)
		}
	}
}

// Packets of a flow arrive in the order in which they were sent, if the link does
// not reorder them.
func TestLineKeepsTheOrderOfAFlow(t *testing.T) {
	t.Parallel()
	for seed := range tier.Count[uint64](300, 10_000) {
		random := rand.New(rand.NewPCG(seed, 3))
		link := busyLink(random)
		link.Reorder = Chance{}
		d := drive(t, link)
		d.run(randomTraffic(random))
		last := map[uint64]time.Duration{}
		for _, p := range d.sent {
			if p.drop == NotDropped {
				require.GreaterOrEqual(t, p.packet.Arrive, last[p.flow], "seed %d, %+v: %+v", seed, link, p)
				last[p.flow] = p.packet.Arrive
			}
		}
	}
}

// A driver whose timers fire late changes nothing: the same packets arrive at
// the same times.
func TestLateDriversChangeNothing(t *testing.T) {
	t.Parallel()
	for seed := range tier.Count[uint64](300, 10_000) {
		random := rand.New(rand.NewPCG(seed, 4))
		link := busyLink(random)
		if link.Bottleneck != nil {
			link.Rate, link.Bottleneck = link.Bottleneck.rate, nil
		}
		traffic := randomTraffic(random)
		punctual, late := drive(t, link), drive(t, link)
		late.late = func() time.Duration { return time.Duration(random.Int64N(int64(20*ms)) * random.Int64N(2)) }
		punctual.run(traffic)
		late.run(traffic)
		for i, p := range punctual.sent {
			q := *late.sent[i]
			q.known = p.known
			require.Equal(t, *p, q, "seed %d, %+v", seed, link)
		}
	}
}

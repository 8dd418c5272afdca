package netem

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// intact returns a datagram that arrives unchanged.
func intact(leave, arrive time.Duration) []Packet { return []Packet{{leave, arrive, -1}} }

// Each datagram leaves and arrives at the exact nanosecond, or is dropped.
func TestPacketFlow(t *testing.T) {
	always := Chance{Probability: 1}
	scenarios := []struct {
		name  string
		link  Link
		sends []send
		want  [][]Packet
	}{
		{"the zero link", Link{}, []send{{5, 1 << 20}, {6, 0}}, [][]Packet{intact(5, 5), intact(6, 6)}},
		{"latency", Link{Latency: ms}, []send{{5, 100}}, [][]Packet{intact(5, ms+5)}},
		{"rate: a datagram of 3,000 bytes passes whole, 24 ms at 1 Mbit/s", Link{Rate: Mbps, Latency: ms},
			[]send{{0, 3000}, {0, 125}}, [][]Packet{intact(24*ms, 25*ms), intact(25*ms, 26*ms)}},
		{"rate: a datagram without bytes takes its turn but no time", Link{Rate: Mbps},
			[]send{{0, 125}, {0, 0}, {2 * ms, 0}}, [][]Packet{intact(ms, ms), intact(ms, ms), intact(2*ms, 2*ms)}},
		{"replay: 3,200 bytes take three slots, the last 200 share theirs", Link{Replay: replayOf(10), Latency: ms},
			[]send{{0, 3200}, {0, 1300}, {0, 1}}, [][]Packet{intact(30*ms, 31*ms), intact(30*ms, 31*ms), intact(40*ms, 41*ms)}},
		{"bottleneck", Link{Bottleneck: NewBottleneck(Mbps)}, []send{{0, 125}, {0, 125}}, [][]Packet{intact(ms, ms), intact(2*ms, 2*ms)}},
		{"MTU: larger datagrams are dropped", Link{MTU: 100}, []send{{0, 100}, {0, 101}, {0, 0}}, [][]Packet{intact(0, 0), nil, intact(0, 0)}},
		{"pace: 25 bytes pass whole and are followed by three waits, 10 bytes by one, an empty datagram by one", Link{Pace: Pace{10, 100 * ms}},
			[]send{{0, 25}, {0, 10}, {0, 0}, {0, 1}},
			[][]Packet{intact(0, 0), intact(300*ms, 300*ms), intact(400*ms, 400*ms), intact(500*ms, 500*ms)}},
		{"pace without a number of bytes", Link{Pace: Pace{Wait: ms}}, []send{{0, 2500}, {0, 1}}, [][]Packet{intact(0, 0), intact(ms, ms)}},
		{"queue: of packets of 100 bytes, 8 ms at 100 kbit/s, one passes, two wait, and when one has passed there is room again",
			Link{Rate: 100 * Kbps, Queue: Queue{Bytes: 300}},
			[]send{{0, 100}, {0, 100}, {0, 100}, {0, 1}, {8*ms - 1, 1}, {8 * ms, 101}, {8 * ms, 100}, {8 * ms, 1}},
			[][]Packet{intact(8*ms, 8*ms), intact(16*ms, 16*ms), intact(24*ms, 24*ms), nil, nil, nil, intact(32*ms, 32*ms), nil}},
		{"queue: a datagram that does not have to wait may be larger than the queue", Link{Rate: Mbps, Queue: Queue{Bytes: 1}},
			[]send{{0, 1250}, {0, 1}, {10 * ms, 1250}}, [][]Packet{intact(10*ms, 10*ms), nil, intact(20*ms, 20*ms)}},
		{"queue: a packet that waits for the pace needs room", Link{Pace: Pace{Wait: time.Second}, Queue: Queue{Bytes: 10}},
			[]send{{0, 100}, {0, 11}, {0, 10}, {0, 1}}, [][]Packet{intact(0, 0), nil, intact(time.Second, time.Second), nil}},
		{"queue: a datagram without bytes occupies one byte", Link{Rate: Mbps, Queue: Queue{Bytes: 252}},
			[]send{{0, 125}, {0, 125}, {0, 0}, {0, 0}, {0, 0}, {ms, 0}},
			[][]Packet{intact(ms, ms), intact(2*ms, 2*ms), intact(2*ms, 2*ms), intact(2*ms, 2*ms), nil, intact(2*ms, 2*ms)}},
		{"duplicate: the copy follows the packet", Link{Rate: Mbps, Latency: ms, Duplicate: always},
			[]send{{0, 125}, {0, 125}},
			[][]Packet{{{ms, 2 * ms, -1}, {2 * ms, 3 * ms, -1}}, {{3 * ms, 4 * ms, -1}, {4 * ms, 5 * ms, -1}}}},
		{"duplicate: there is no room for the copy", Link{Rate: Mbps, Duplicate: always, Queue: Queue{Bytes: 249}},
			[]send{{0, 125}}, [][]Packet{intact(ms, ms)}},
		{"reorder: no latency", Link{Rate: Mbps, Latency: time.Hour, Reorder: always}, []send{{0, 125}}, [][]Packet{intact(ms, ms)}},
		{"loss", Link{Loss: everyOther}, []send{{0, 1}, {0, 1}, {0, 1}, {0, 1}}, [][]Packet{nil, intact(0, 0), nil, intact(0, 0)}},
		{"a lost datagram takes no room", Link{Rate: Mbps, Loss: everyOther}, []send{{0, 125}, {0, 125}}, [][]Packet{nil, intact(ms, ms)}},
		{"the end of time", Link{Rate: 1, Latency: time.Hour, Pace: Pace{1, timeline.End}},
			[]send{{0, 1_200_000_000}, {0, 1}}, [][]Packet{intact(timeline.End, timeline.End), intact(timeline.End, timeline.End)}},
	}
	for _, scenario := range scenarios {
		t.Run(scenario.name, func(t *testing.T) {
			if scenario.link.Queue.Bytes == 0 && scenario.link.Rate == 1 {
				scenario.link.Queue.Bytes = math.MaxInt32
			}
			f := NewPacketFlow(scenario.link, 0)
			for i, s := range scenario.sends {
				got, drop := f.Send(s.at, s.bytes)
				require.Equal(t, scenario.want[i] == nil, drop != NotDropped, "%d: %v", i, drop)
				if scenario.want[i] != nil {
					require.Equal(t, scenario.want[i], got, i)
				}
			}
		})
	}
}

// Each reason for dropping a datagram is reported, and the first one if there
// are several.
func TestDrop(t *testing.T) {
	link := Link{MTU: 100, Rate: Mbps, Queue: Queue{Bytes: 50}}
	f := NewPacketFlow(link, 0)
	for want, n := range []int{NotDropped: 100, DroppedByQueue: 100, DroppedByMTU: 101} {
		if n == 0 {
			continue
		}
		_, drop := f.Send(0, n)
		assert.Equal(t, Drop(want), drop)
	}
	link.Loss.Random = 1
	f.SetLink(link)
	assert.Equal(t, link, f.Link())
	_, drop := f.Send(0, 100)
	assert.Equal(t, DroppedByLoss, drop)
	_, drop = f.Send(0, 101)
	assert.Equal(t, DroppedByMTU, drop)
	for drop, want := range map[Drop]string{
		NotDropped: "not dropped", DroppedByLoss: "loss", DroppedByQueue: "queue full", DroppedByMTU: "larger than the MTU",
	} {
		assert.Equal(t, want, drop.String())
	}
}

// By default there is room for 1,000 datagrams of 1,500 bytes, and for another
// as soon as one has passed.
func TestDefaultQueue(t *testing.T) {
	f := NewPacketFlow(Link{Rate: Mbps}, 0)
	admitted := func(now time.Duration) (n int) {
		for range 1200 {
			if _, drop := f.Send(now, 1500); drop == NotDropped {
				n++
			}
		}
		return n
	}
	assert.Equal(t, 1000, admitted(0))
	assert.Equal(t, 0, admitted(12*ms-1))
	assert.Equal(t, 1, admitted(12*ms))
	assert.Equal(t, 10, admitted(11*12*ms))
	assert.Equal(t, 1000, admitted(time.Hour))
}

// The memory for waiting datagrams is bounded, even for empty datagrams and
// while some of them pass all the time.
func TestQueueMemoryIsBounded(t *testing.T) {
	for _, link := range []Link{
		{Rate: BitPerSecond, Queue: Queue{Bytes: 1000}},
		{Pace: Pace{Wait: time.Hour}, Queue: Queue{Bytes: 1000}},
		{Rate: 8 * Mbps, Queue: Queue{Bytes: 1000}},
		{Replay: replayOf(1), Queue: Queue{Bytes: 1000}},
	} {
		for _, n := range []int{0, 1, 10} {
			f := NewPacketFlow(link, 0)
			for i := range time.Duration(20_000) {
				f.Send(i*time.Microsecond, n)
				backlogs := []*backlog{f.pacing}
				if state := f.line.state; state != nil {
					backlogs = append(backlogs, state.server.backlog)
				}
				for _, b := range backlogs {
					if b != nil && (len(b.packets) > 2*1000+2 || b.bytes > 1000+n) {
						require.LessOrEqual(t, len(b.packets), 2*1000+2)
						require.LessOrEqual(t, b.bytes, 1000+n)
					}
				}
			}
		}
	}
}

// A changed link applies to datagrams that are sent later; during a hold no datagram
// enters the link.
func TestPacketFlowSetLinkAndHold(t *testing.T) {
	f := NewPacketFlow(Link{Rate: Mbps, Latency: time.Hour}, 0)
	first, _ := f.Send(0, 1250)
	assert.Equal(t, intact(10*ms, time.Hour+10*ms), first)
	f.SetLink(Link{Latency: ms})
	second, _ := f.Send(0, 1250)
	assert.Equal(t, intact(10*ms, 11*ms), second, "it overtakes")
	f.Hold(20 * ms)
	f.Hold(15 * ms)
	third, _ := f.Send(12*ms, 0)
	assert.Equal(t, intact(20*ms, 21*ms), third)
}

// A corrupted datagram has one flipped bit, each bit with the same probability, and so
// has each copy of a duplicate.
func TestFlip(t *testing.T) {
	f := NewPacketFlow(Link{Corrupt: Chance{Probability: 1}, Duplicate: Chance{Probability: 1}}, statisticsSeed)
	const n, bits = 3, 8 * 3
	flips := make([][]float64, bits)
	for range 40_000 {
		arrived, _ := f.Send(0, n)
		require.Len(t, arrived, 2)
		for _, packet := range arrived {
			require.GreaterOrEqual(t, packet.Flip, 0)
			require.Less(t, packet.Flip, bits)
			for bit := range flips {
				is := 0.0
				if packet.Flip == bit {
					is = 1
				}
				flips[bit] = append(flips[bit], is)
			}
		}
	}
	for bit := range flips {
		assertMean(t, 1.0/bits, flips[bit], 0.01, "bit %d", bit)
	}
	arrived, _ := f.Send(0, 0)
	assert.Equal(t, []Packet{{Flip: -1}, {Flip: -1}}, arrived, "without bytes there is nothing to change")
}

// Datagrams overtake each other with jitter and with reordering, and not
// otherwise.
func TestOvertaking(t *testing.T) {
	overtakes := func(link Link) (n int) {
		f := NewPacketFlow(link, 0)
		var latest time.Duration
		for i := range time.Duration(1000) {
			arrived, _ := f.Send(i*ms, 10)
			for _, packet := range arrived {
				if packet.Arrive < latest {
					n++
				}
				latest = max(latest, packet.Arrive)
			}
		}
		return n
	}
	assert.Zero(t, overtakes(Link{Latency: 100 * ms, Duplicate: Chance{Probability: 0.5}}))
	assert.Zero(t, overtakes(Link{Latency: 100 * ms, Rate: 10 * Kbps}))
	assert.Greater(t, overtakes(Link{Latency: 100 * ms, Jitter: Jitter{Deviation: 10 * ms}}), 100)
	reordered := overtakes(Link{Latency: 100 * ms, Reorder: Chance{Probability: 0.1}})
	assert.InDelta(t, 100, reordered, 50, "1,000 x 0.1, 5 standard errors of 9.5")
}

// Properties of datagrams on every link: at most two copies arrive, none
// earlier than possible, and no more pass than the rate, the replay and the
// pace allow.
func TestPacketFlowProperties(t *testing.T) {
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 0))
		link := randomLink(random)
		f := NewPacketFlow(link, seed)
		var pieces []Piece
		var starts []time.Duration
		charged, free := 0, time.Duration(0)
		for _, w := range randomWrites(random) {
			free = max(free, w.at)
			arrived, drop := f.Send(w.at, w.bytes)
			require.Equal(t, drop != NotDropped, len(arrived) == 0)
			require.Equal(t, drop == DroppedByMTU, link.MTU > 0 && w.bytes > link.MTU)
			require.LessOrEqual(t, len(arrived), 2)
			require.True(t, len(arrived) < 2 || link.Duplicate.Probability > 0)
			for _, packet := range arrived {
				require.GreaterOrEqual(t, packet.Leave, free, "seed %d, %+v", seed, link)
				require.GreaterOrEqual(t, packet.Arrive, packet.Leave+link.soonest())
				require.Less(t, packet.Flip, 8*w.bytes)
				require.True(t, packet.Flip == -1 || link.Corrupt.Probability > 0 && packet.Flip >= 0)
				pieces = append(pieces, Piece{Bytes: w.bytes, Leave: packet.Leave, Sent: 1})
				starts = append(starts, free)
				charged += w.bytes
				free = packet.Leave
			}
			if len(arrived) > 0 {
				waits := 1
				if link.Pace.Bytes > 0 {
					waits = (w.bytes + link.Pace.Bytes - 1) / link.Pace.Bytes
				}
				free = max(free, arrived[0].Leave+time.Duration(waits)*link.Pace.Wait)
				require.Equal(t, free, max(w.at, f.Free()), "seed %d, %+v", seed, link)
			}
		}
		checkRate(t, seed, link, pieces, starts, f.Free())
		if link.Replay != nil {
			checkReplay(t, seed, link, nil, charged, f.Free())
		}
	}
}

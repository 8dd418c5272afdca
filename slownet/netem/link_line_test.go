package netem

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// flowOn returns a stream on a line.
func flowOn(line *Line, name uint64) *Flow {
	f := &Flow{}
	f.Init(line, name)
	return f
}

// packetsOn returns a socket's datagrams on a line.
func packetsOn(line *Line, name uint64) *PacketFlow {
	f := &PacketFlow{}
	f.Init(line, name)
	return f
}

// Four downloads at once over a link of 10 Mbit/s take four times as long as
// one, and end together.
func TestStreamsShareALine(t *testing.T) {
	const packets = 1000
	link := Link{Rate: 10 * Mbps, Latency: 20 * ms}
	one := sendAll(NewFlow(link, 0), 0, packets*1500)
	alone := one[len(one)-1].Arrive - 20*ms
	assert.Equal(t, packets*1200*time.Microsecond, alone)

	line := NewLine(link, 0)
	var flows []*Flow
	for name := range uint64(4) {
		flows = append(flows, flowOn(line, name))
	}
	left := shareUntil(4*alone, flows...)
	for _, bytes := range left {
		assert.Equal(t, packets*1500, bytes)
	}
}

// A datagram waits for datagrams of another socket on the same line, and for a
// stream's packet.
func TestDatagramsShareALine(t *testing.T) {
	line := NewLine(Link{Rate: Mbps, Queue: Queue{Bytes: 375}, Latency: ms}, 0)
	one, other, stream := packetsOn(line, 1), packetsOn(line, 2), flowOn(line, 3)
	got, _ := one.Send(0, 125)
	assert.Equal(t, intact(ms, 2*ms), got)
	got, _ = other.Send(0, 125)
	assert.Equal(t, intact(2*ms, 3*ms), got)
	assert.Equal(t, once(125, 3*ms, 4*ms), stream.Send(0, 125))
	got, _ = one.Send(0, 125)
	assert.Equal(t, intact(4*ms, 5*ms), got)
	_, drop := other.Send(0, 1)
	assert.Equal(t, DroppedByQueue, drop, "the queue is shared as well")
	got, _ = other.Send(ms, 125)
	assert.Equal(t, intact(5*ms, 6*ms), got)
}

// The pace of one flow does not slow down another on the same line.
func TestPaceIsEachFlowsOwn(t *testing.T) {
	line := NewLine(Link{Pace: Pace{10, time.Second}}, 0)
	for name := range uint64(3) {
		assert.Equal(t, once(10, 0, 0), flowOn(line, name).Send(0, 10))
		socket := packetsOn(line, name+10)
		for i := range time.Duration(3) {
			got, _ := socket.Send(0, 10)
			assert.Equal(t, intact(i*time.Second, i*time.Second), got)
		}
	}
}

// A change of the link affects all flows on the line: packets that already wait for the
// rate still leave first.
func TestLineSetLinkAffectsAllFlows(t *testing.T) {
	line := NewLine(Link{Rate: Mbps}, 0)
	one, other := packetsOn(line, 1), packetsOn(line, 2)
	_, _ = one.Send(0, 1250)
	line.SetLink(Link{Latency: ms})
	got, _ := other.Send(0, 125)
	assert.Equal(t, intact(10*ms, 11*ms), got)
	assert.Equal(t, Link{Latency: ms}, one.Link())
}

// A packet that has passed one line enters the next.
func TestLinesInSeries(t *testing.T) {
	access, core := NewLine(Link{Rate: Mbps, Latency: ms}, 1), NewLine(Link{Rate: 10 * Mbps, Latency: 5 * ms}, 2)
	id := PacketID{1, 1}
	first := access.Send(0, 1250, id, nil)
	require.Equal(t, Fate{Packets: [2]Packet{{10 * ms, 11 * ms, -1}}, Count: 1}, first)
	second := core.Send(first.Packets[0].Arrive, 1250, id, nil)
	require.Equal(t, Fate{Packets: [2]Packet{{12 * ms, 17 * ms, -1}}, Count: 1}, second)
}

// Where there is a rate, jitter delays packets but does not reorder them, as in
// netem: they arrive at the rate, one after the other.
func TestRateKeepsOrderUnderJitter(t *testing.T) {
	for name, link := range map[string]Link{
		"rate":       {Rate: 10 * Mbps},
		"replay":     {Replay: replayOf(1, 2, 3)},
		"bottleneck": {Bottleneck: NewBottleneck(10 * Mbps)},
	} {
		link.Latency, link.Jitter = 50*ms, Jitter{Deviation: 10 * ms, Distribution: Normal}
		f := NewPacketFlow(link, 1)
		var last time.Duration
		delayed := 0
		for i := range time.Duration(10_000) {
			packets, drop := f.Send(2*i*ms, 1250) // which takes 1 ms
			require.Equal(t, NotDropped, drop)
			arrive := packets[0].Arrive
			require.GreaterOrEqual(t, arrive, last, "%s, packet %d", name, i)
			if link.Rate > 0 {
				require.GreaterOrEqual(t, arrive, last+ms, "packet %d", i)
			}
			if arrive > packets[0].Leave+50*ms {
				delayed++
			}
			last = arrive
		}
		assert.Greater(t, delayed, 5000, name)
		f.SetLink(Link{})
		packets, _ := f.Send(30*time.Second, 1)
		assert.Equal(t, intact(30*time.Second, 30*time.Second), packets)
	}
}

// The wait for the rate absorbs the jitter: packets of a bulk transfer arrive
// at the rate, not later and later.
func TestJitterOfABusyLine(t *testing.T) {
	f := NewPacketFlow(Link{Rate: 10 * Mbps, Latency: 50 * ms, Jitter: Jitter{Deviation: 50 * ms}}, 1)
	for i := range time.Duration(1000) {
		packets, _ := f.Send(0, 1250)
		arrive := packets[0].Arrive
		assert.Less(t, arrive, 101*ms+i*ms)
		assert.GreaterOrEqual(t, arrive, (i+1)*ms)
	}
}

// The draws of a packet do not depend on the number of packets before it on the line.
func TestEarlierPacketsShiftNoDraws(t *testing.T) {
	link := Link{
		Latency: 100 * ms, Jitter: Jitter{Deviation: 50 * ms}, Loss: Loss{Random: 0.2},
		Duplicate: Chance{Probability: 0.2}, Corrupt: Chance{Probability: 0.2}, Reorder: Chance{Probability: 0.2},
	}
	run := func(disturbed bool) (fates []Fate) {
		line := NewLine(link, 1)
		for i := range uint64(1000) {
			if disturbed && i%7 == 0 {
				line.Send(0, 50, PacketID{Flow: 2, Number: i}, nil)
			}
			fates = append(fates, line.Send(0, 100, PacketID{Flow: 1, Number: i}, nil))
		}
		return fates
	}
	assert.Equal(t, run(false), run(true))
}

// Flows on one line, and successive lines, have independent draws, and so do
// the two copies of a packet on the next line.
func TestFlowsAndLinesHaveIndependentDraws(t *testing.T) {
	sequence := func(seed uint64, id PacketID) (lost string) {
		line := NewLine(Link{Loss: Loss{Random: 0.5}}, seed)
		for range 100 {
			id.Number++
			lost += line.Send(0, 1, id, nil).Drop.String()
		}
		return lost
	}
	seen := map[string]bool{}
	for seed := range uint64(20) {
		for flow := range uint64(20) {
			id := PacketID{Flow: flow}
			for _, id := range []PacketID{id, id.Copy()} {
				s := sequence(seed, id)
				require.False(t, seen[s], "seed %d, flow %d", seed, flow)
				seen[s] = true
			}
		}
	}
}

// Bursts of losses affect all packets on the line, whoever sends them.
func TestBurstsHitAllFlows(t *testing.T) {
	line := NewLine(Link{Loss: Loss{GilbertElliott: GilbertElliott{P: 0.02, R: 0.1, LossBad: 1}}}, statisticsSeed)
	var lost []bool
	for i := range uint64(packets) {
		fate := line.Send(0, 100, PacketID{Flow: i % 5, Number: i / 5}, nil)
		lost = append(lost, fate.Drop == DroppedByLoss)
	}
	assertRuns(t, 0.02/0.12, 10, lost, "bursts of ten")
}

// The times of packets that wait on a shared line do not exceed the end of time.
func TestLineAtTheEndOfTime(t *testing.T) {
	line := NewLine(Link{Rate: 1, Queue: Queue{Bytes: 1 << 30}, Latency: time.Hour, Jitter: Jitter{Deviation: time.Hour}}, 0)
	for range 10 {
		fate := line.Send(timeline.End-1, 1000, PacketID{}, nil)
		assert.Equal(t, timeline.End, fate.Packets[0].Arrive)
	}
}

// Pairs of hosts that share a bottleneck share the queue before it.
func TestBottleneckHasOneQueue(t *testing.T) {
	link := Link{Bottleneck: NewBottleneck(Mbps), Queue: Queue{Packets: 4}}
	one, other := NewPacketFlow(link, 1), NewPacketFlow(link, 2)
	for range 2 {
		for _, f := range []*PacketFlow{one, other} {
			_, drop := f.Send(0, 125)
			assert.Equal(t, NotDropped, drop)
		}
	}
	for _, f := range []*PacketFlow{one, other} {
		_, drop := f.Send(ms-1, 125)
		assert.Equal(t, DroppedByQueue, drop)
	}
	got, _ := other.Send(ms, 125)
	assert.Equal(t, intact(5*ms, 5*ms), got)
	_, drop := one.Send(ms, 125)
	assert.Equal(t, DroppedByQueue, drop)
}

// An ideal stream crosses several lines with a flow on each. It runs at the
// rate of the slowest, and shares each line with others.
func TestStreamOverTwoLines(t *testing.T) {
	access, core := NewLine(Link{Rate: 12 * Mbps, Latency: ms}, 1), NewLine(Link{Rate: 6 * Mbps, Latency: 5 * ms}, 2)
	first, second, other := flowOn(access, 1), flowOn(core, 1), flowOn(core, 2)
	var arrivals []time.Duration
	for _, piece := range sendAll(first, 0, 4500) {
		got := second.Send(piece.Arrive, piece.Bytes)
		assert.Equal(t, 1500, got.Bytes)
		arrivals = append(arrivals, got.Arrive)
	}
	assert.Equal(t, []time.Duration{9 * ms, 11 * ms, 13 * ms}, arrivals)
	assert.Equal(t, 10*ms, other.Send(4*ms, 1500).Leave)
}

// Many paths over one to three lines, all with queues, losses and jitter: each
// packet arrives or is dropped on one of the lines, in order within its flow.
func TestPathsOfLines(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 5))
		drivers := make([]*lineDriver, 3)
		for i := range drivers {
			link := busyLink(random)
			link.Reorder, link.Duplicate, link.Pace = Chance{}, Chance{}, Pace{}
			drivers[i] = drive(t, link)
			drivers[i].line.seed = uint64(i)
		}
		arrived := randomTraffic(random)
		for _, d := range drivers {
			for i := range arrived {
				arrived[i].paced = false
			}
			d.run(arrived)
			require.Len(t, d.known, len(arrived))
			arrived = arrived[:0]
			for _, p := range d.sent {
				if p.drop == NotDropped {
					arrived = append(arrived, sending{at: p.packet.Arrive, flow: p.flow, bytes: p.bytes})
				}
			}
			slices.SortStableFunc(arrived, func(a, b sending) int { return cmp.Compare(a.at, b.at) })
		}
	}
}

// Each copy of a packet has its own jitter.
func TestDuplicatesHaveTheirOwnJitter(t *testing.T) {
	link := Link{Latency: time.Second, Jitter: Jitter{Deviation: 100 * ms}, Duplicate: Chance{Probability: 1}}
	got, _ := NewPacketFlow(link, 1).Send(0, 100)
	require.Len(t, got, 2)
	assert.NotEqual(t, got[0].Arrive, got[1].Arrive)
}

// After a change of link, packets are not held up by packets that the old link's jitter
// delays.
func TestChangedLinkBeginsANewOrder(t *testing.T) {
	jitter := Jitter{Deviation: ms}
	line := NewLine(Link{Rate: Mbps, Latency: time.Hour, Jitter: jitter}, 1)
	line.Send(0, 125, PacketID{}, nil)
	line.SetLink(Link{Rate: Mbps, Latency: 10 * ms, Jitter: jitter})
	assert.Less(t, line.Send(0, 125, PacketID{}, nil).Packets[0].Arrive, time.Second)
}

// A packet of negative size would take time from the others.
func TestNegativePacketsPanic(t *testing.T) {
	line := NewLine(Link{Rate: Mbps}, 1)
	assert.PanicsWithValue(t, "netem: a packet of -1 bytes is sent: it must have 0 or more", func() {
		line.Send(0, -1, PacketID{}, nil)
	})
}

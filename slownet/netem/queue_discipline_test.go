package netem

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A sentPacket is a driver's record of a packet.
type sentPacket struct {
	flow, number uint64
	bytes        int
	sent         time.Duration
	copies       int // copies that have arrived
	packet       Packet
	drop         Drop
	known        time.Duration // when its fate was known
}

// A lineDriver drives a line, and records the fates of all packets.
type lineDriver struct {
	t       *testing.T
	line    *Line
	now     time.Duration
	late    func() time.Duration // the delay of calls of Step; nil is none
	numbers map[uint64]uint64
	sent    []*sentPacket
	known   []*sentPacket // in the order in which their fates became known
	left    []send        // when bytes left, copies included
	flows   map[uint64]*PacketFlow
	ideal   *Flow
}

func drive(t *testing.T, link Link) *lineDriver {
	return &lineDriver{t: t, line: NewLine(link, 1), numbers: map[uint64]uint64{}, flows: map[uint64]*PacketFlow{}}
}

// send sends a packet at a time.
func (d *lineDriver) send(at time.Duration, flow uint64, bytes int) *sentPacket {
	d.until(at)
	d.numbers[flow]++
	p := &sentPacket{flow: flow, number: d.numbers[flow], bytes: bytes, sent: at, drop: Queued}
	d.sent = append(d.sent, p)
	fate := d.line.Send(at, bytes, PacketID{flow, p.number}, p)
	for _, packet := range fate.Packets[:fate.Count] {
		d.learn(p, packet, NotDropped)
	}
	if fate.Count == 0 && fate.Drop != Queued {
		d.learn(p, Packet{}, fate.Drop)
	}
	return p
}

// sendPaced sends, at a time, a datagram that waits for its flow's pace.
func (d *lineDriver) sendPaced(at time.Duration, flow uint64, bytes int) {
	d.until(at)
	if d.flows[flow] == nil {
		d.flows[flow] = packetsOn(d.line, flow)
	}
	d.numbers[flow]++
	p := &sentPacket{flow: flow, number: d.numbers[flow], bytes: bytes, sent: at, drop: Queued}
	d.sent = append(d.sent, p)
	packets, drop := d.flows[flow].SendTagged(at, bytes, p)
	for _, packet := range packets {
		d.learn(p, packet, NotDropped)
	}
	if len(packets) == 0 && drop != Queued {
		d.learn(p, Packet{}, drop)
	}
}

func (d *lineDriver) learn(p *sentPacket, packet Packet, drop Drop) {
	if drop == NotDropped {
		p.copies++
		d.left = append(d.left, send{packet.Leave, p.bytes})
	}
	if p.drop == Queued || drop == NotDropped && p.copies == 1 { // the first of two copies may have been dropped
		d.known = append(d.known, p)
		p.packet, p.drop, p.known = packet, drop, d.now
	}
}

// until calls Step whenever Next says so, until the given time.
func (d *lineDriver) until(at time.Duration) {
	for calls := 0; ; calls++ {
		require.Less(d.t, calls, 1_000_000, "stuck at %v", d.now)
		next := d.line.Next()
		if next == Never {
			break
		}
		if d.late != nil {
			next += d.late()
		}
		if next > at {
			break
		}
		d.now = max(d.now, next)
		for {
			departure, ok := d.line.Step(d.now)
			if !ok {
				break
			}
			d.learn(departure.Tag.(*sentPacket), departure.Packet, departure.Drop)
		}
	}
	d.now = max(d.now, at)
}

// finish waits until nothing is left in the queue.
func (d *lineDriver) finish() { d.until(Never - 1) }

// drops returns the times at which the discipline dropped packets.
func (d *lineDriver) drops() (times []time.Duration) {
	for _, p := range d.known {
		if p.drop == DroppedByDiscipline {
			times = append(times, p.known)
		}
	}
	return times
}

// dropped counts the packets of a flow that were dropped for a reason.
func (d *lineDriver) dropped(flow uint64, drop Drop) (n int) {
	for _, p := range d.sent {
		if p.flow == flow && p.drop == drop {
			n++
		}
	}
	return n
}

// delivered returns the number of bytes of a flow that have left by a time.
func (d *lineDriver) delivered(flow uint64, until time.Duration) (bytes int) {
	for _, p := range d.sent {
		if p.flow == flow && p.drop == NotDropped && p.packet.Leave <= until {
			bytes += p.bytes
		}
	}
	return bytes
}

// If the queue is empty, the fate is known at once.
func TestDisciplineAnswersAtOnceWhileNothingWaits(t *testing.T) {
	for _, discipline := range []Discipline{CoDel, FQCoDel} {
		line := NewLine(Link{Rate: 8 * Mbps, Latency: ms, Queue: Queue{Discipline: discipline}}, 0)
		for i := range time.Duration(10) {
			fate := line.Send(i*ms, 1000, PacketID{}, nil)
			assert.Equal(t, Fate{Packets: [2]Packet{{(i + 1) * ms, (i + 2) * ms, -1}}, Count: 1}, fate)
			assert.Equal(t, Never, line.Next())
		}
		fate := line.Send(9*ms, 1000, PacketID{}, "tag")
		assert.Equal(t, Fate{Drop: Queued}, fate)
		assert.Equal(t, 10*ms, line.Next())
		_, ok := line.Step(10*ms - 1)
		assert.False(t, ok)
		departure, ok := line.Step(10 * ms)
		assert.True(t, ok)
		assert.Equal(t, Departure{Packet{11 * ms, 12 * ms, -1}, "tag", NotDropped}, departure)
		assert.Equal(t, Never, line.Next())
	}
}

// Without a rate nothing waits, and a discipline has nothing to do.
func TestDisciplineWithoutARate(t *testing.T) {
	line := NewLine(Link{Latency: ms, Queue: Queue{Discipline: FQCoDel}}, 0)
	for range 3 {
		assert.Equal(t, Fate{Packets: [2]Packet{{0, ms, -1}}, Count: 1}, line.Send(0, 1000, PacketID{}, nil))
	}
}

// A packet that is delayed by its flow's pace does not hold up others before it enters
// the line.
func TestPacedDatagramsLeaveTheLineToOthers(t *testing.T) {
	line := NewLine(Link{Rate: 8 * Mbps, Pace: Pace{Wait: 100 * ms}}, 0)
	slow, fast := packetsOn(line, 1), packetsOn(line, 2)
	got, _ := slow.SendTagged(0, 1000, "first")
	assert.Equal(t, intact(ms, ms), got)
	got, drop := slow.SendTagged(0, 1000, "second")
	assert.Empty(t, got)
	assert.Equal(t, Queued, drop)
	assert.Equal(t, 101*ms, line.Next())
	got, _ = fast.SendTagged(0, 1000, "other")
	assert.Equal(t, intact(2*ms, 2*ms), got)
	got, _ = fast.SendTagged(102*ms, 1000, "late")
	assert.Equal(t, intact(103*ms, 103*ms), got)
	departure, ok := line.Step(102 * ms)
	assert.True(t, ok)
	assert.Equal(t, Departure{Packet{102 * ms, 102 * ms, -1}, "second", NotDropped}, departure)
	assert.Equal(t, Never, line.Next())
}

// Without a rate others do not wait anyway, and the fate is known at once.
func TestPacedDatagramsWithoutARate(t *testing.T) {
	f := packetsOn(NewLine(Link{Pace: Pace{Wait: 100 * ms}}, 0), 1)
	for i := range time.Duration(3) {
		got, drop := f.SendTagged(0, 1000, "tag")
		assert.Equal(t, NotDropped, drop)
		assert.Equal(t, intact(i*100*ms, i*100*ms), got)
	}
}

// A queue with a discipline can also count delayed packets.
func TestDisciplineCountsDelayed(t *testing.T) {
	for _, discipline := range []Discipline{CoDel, FQCoDel} {
		for _, queue := range []Queue{{Packets: 10}, {Bytes: 10_999}} {
			queue.Discipline, queue.CountDelayed = discipline, true
			d := drive(t, Link{Rate: 8 * Mbps, Latency: 100 * ms, Queue: queue})
			for range 100 {
				d.send(0, 1, 1000)
			}
			assert.Equal(t, 90, d.dropped(1, DroppedByQueue), "ten wait")
			for i := range time.Duration(100) {
				d.send((10+i)*ms, 1, 1000)
			}
			assert.Equal(t, 90+100-9, d.dropped(1, DroppedByQueue), "ten are under way, and the first nine arrive")
		}
	}
}

// Lines that share a bottleneck wait in one queue, and each gets the outcomes
// of its own packets, even after its link has changed.
func TestDisciplineOfABottleneck(t *testing.T) {
	link := Link{Bottleneck: NewBottleneck(8 * Mbps), Queue: Queue{Discipline: CoDel}}
	one, other := NewLine(link, 1), NewLine(link, 2)
	one.Send(0, 1000, PacketID{}, "a")
	one.Send(0, 1000, PacketID{}, "b")
	other.Send(0, 1000, PacketID{}, "c")
	one.Send(0, 1000, PacketID{}, "d")
	other.SetLink(Link{Bottleneck: NewBottleneck(0)})
	next := func(line *Line, now time.Duration) any {
		departure, ok := line.Step(now)
		if !ok {
			return nil
		}
		assert.Equal(t, departure.Leave, departure.Arrive)
		return [2]any{departure.Tag, departure.Leave}
	}
	assert.Equal(t, ms, other.Next())
	assert.Equal(t, [2]any{"b", 2 * ms}, next(one, ms))
	assert.Equal(t, 2*ms, one.Next())
	assert.Nil(t, next(one, 2*ms))
	assert.Equal(t, [2]any{"d", 4 * ms}, next(one, 10*ms))
	assert.Equal(t, [2]any{"c", 3 * ms}, next(other, 10*ms))
	assert.Nil(t, next(other, 10*ms))
	assert.Equal(t, Never, other.Next())
	assert.Equal(t, Never, one.Next())
}

// Streams on the line take turns with the queue of datagrams.
func TestStreamsTakeTurnsWithADiscipline(t *testing.T) {
	d := drive(t, Link{Rate: 8 * Mbps, Queue: Queue{Discipline: FQCoDel}})
	stream := flowOn(d.line, 9)
	for range 50 {
		d.send(0, 1, 1000)
	}
	bytes := 0
	for stream.Free() < 50*ms {
		d.until(stream.Free())
		bytes += stream.Send(stream.Free(), 1000).Bytes
	}
	d.until(50 * ms)
	assert.InDelta(t, 25_000, bytes, 1000)
	assert.InDelta(t, 25_000, d.delivered(1, 50*ms), 1000)
}

// Sending and waiting do not allocate once the queues are large enough.
func TestDisciplinesAllocateNothing(t *testing.T) {
	for _, discipline := range []Discipline{CoDel, FQCoDel} {
		line := NewLine(Link{Rate: 8 * Mbps, Latency: ms, Queue: Queue{Discipline: discipline, Packets: 100}}, 1)
		now, tag := time.Duration(0), new(int)
		step := func() {
			for flow := range uint64(3) {
				line.Send(now, 1000, PacketID{Flow: flow, Number: uint64(now)}, tag)
			}
			for {
				if _, ok := line.Step(now); !ok {
					break
				}
			}
			now += 2 * ms
		}
		for range 10_000 {
			step()
		}
		assert.Zero(t, testing.AllocsPerRun(1000, step), discipline)
	}
}

// A queue with a discipline has the same limit as one without: the packet that
// is being serialized counts.
func TestDisciplinesHoldAsMuchAsFIFO(t *testing.T) {
	for _, test := range []struct {
		queue Queue
		want  int // of a burst of packets of 100 bytes
	}{
		{Queue{Packets: 3}, 3},
		{Queue{Packets: 1}, 1},
		{Queue{Bytes: 300}, 3},
		{Queue{Bytes: 50}, 1},
		{Queue{Packets: 5, Bytes: 250}, 2},
		{Queue{Packets: 1000}, 1000},
	} {
		for _, discipline := range []Discipline{FIFO, CoDel, FQCoDel} {
			queue := test.queue
			queue.Discipline = discipline
			d := drive(t, Link{Rate: 800 * Mbps, Queue: queue}) // nothing waits long enough for CoDel
			for range 2 * test.want {
				d.send(0, 1, 100)
			}
			d.finish()
			arrived := 0
			for _, p := range d.sent {
				arrived += p.copies
			}
			assert.Equal(t, test.want, arrived, "%+v", queue)
		}
	}
}

// The last packet frees its room when it has passed, not before.
func TestDisciplinesMakeRoomAsFIFODoes(t *testing.T) {
	for _, discipline := range []Discipline{FIFO, CoDel, FQCoDel} {
		d := drive(t, Link{Rate: 800 * Kbps, Queue: Queue{Packets: 2, Discipline: discipline}}) // a millisecond each
		d.send(0, 1, 100)
		d.send(0, 1, 100)
		d.send(time.Millisecond-1, 1, 100) // one too many
		d.send(time.Millisecond, 1, 100)
		d.finish()
		arrived := 0
		for _, p := range d.sent {
			arrived += p.copies
		}
		assert.Equal(t, 3, arrived, discipline)
	}
}

package netem

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// fairLink passes a packet of 1,500 bytes in a millisecond.
var fairLink = Link{Rate: 12 * Mbps, Queue: Queue{Discipline: FQCoDel}}

// A ping during a bulk transfer waits for the packet that is being serialized,
// not for the queue.
func TestFQCoDelLetsASparseFlowPass(t *testing.T) {
	d := drive(t, fairLink)
	for range 80 {
		d.send(0, 1, 1500)
	}
	ping := d.send(10*ms+ms/2, 2, 150)
	d.finish()
	assert.Equal(t, 11*ms+ms/10, ping.packet.Leave)
	assert.Equal(t, 80*ms+ms/10, d.sent[79].packet.Leave)

	d = drive(t, Link{Rate: 12 * Mbps, Queue: Queue{Discipline: CoDel}})
	for range 80 {
		d.send(0, 1, 1500)
	}
	ping = d.send(10*ms+ms/2, 2, 150)
	d.finish()
	assert.Equal(t, 80*ms+ms/10, ping.packet.Leave, "with CoDel alone it waits for all")
}

// Flows have equal shares in bytes, whatever the size of their packets.
func TestFQCoDelIsFairByBytes(t *testing.T) {
	d := drive(t, Link{Rate: 12 * Mbps, Queue: Queue{Discipline: FQCoDel}})
	sizes := []int{1500, 500, 100, 1514}
	for i := range time.Duration(4000) {
		for flow, size := range sizes {
			for range max(1, 750/size) {
				d.send(i*ms/2, uint64(flow), size)
			}
		}
	}
	const until = 2 * time.Second
	d.until(until)
	sum := 0
	for flow := range sizes {
		bytes := d.delivered(uint64(flow), until)
		assert.InDelta(t, 750_000, bytes, 2*quantum, "flow %d", flow)
		sum += bytes
	}
	assert.InDelta(t, 3_000_000, sum, quantum)
}

// A ping comes next even with many bulk transfers.
func TestFQCoDelServesNewFlowsFirst(t *testing.T) {
	d := drive(t, fairLink)
	for flow := range uint64(10) {
		for range 5 {
			d.send(0, flow, 1500)
		}
	}
	for i := range time.Duration(5) {
		at := 22*ms + ms/2 + 4*i*ms
		ping := d.send(at, 100+uint64(i), 150)
		d.until(at + ms)
		assert.Equal(t, NotDropped, ping.drop, at)
		assert.LessOrEqual(t, ping.packet.Leave-at, ms+ms/10, "%v: the packet that is being serialized, and the ping", at)
	}
}

// Flows whose packets are a quantum take turns, one packet at a time.
func TestFQCoDelTakesTurns(t *testing.T) {
	d := drive(t, fairLink)
	for flow := range uint64(3) {
		for range 5 {
			d.send(0, flow, quantum)
		}
	}
	d.finish()
	last := map[uint64]time.Duration{}
	for _, p := range d.sent {
		if p.number > 2 {
			assert.InDelta(t, 3*quantum*8*time.Second/(12_000_000), p.packet.Leave-last[p.flow], 2)
		}
		last[p.flow] = p.packet.Leave
	}
}

// Flows of single packets do not get more than their share by always being new.
func TestFQCoDelNewFlowsStarveNone(t *testing.T) {
	const until, others = time.Second, 19
	d := drive(t, fairLink)
	for range 300 {
		d.send(0, 0, 1500)
	}
	last := map[uint64]*sentPacket{}
	for d.now < until { // each sends a packet as soon as its last has left
		for flow := uint64(1); flow <= others; flow++ {
			if p := last[flow]; p == nil || p.drop != Queued && p.packet.Leave <= d.now {
				last[flow] = d.send(d.now, flow, 1500)
			}
		}
		d.until(d.now + ms/5)
	}
	assert.InDelta(t, 1_500_000/(others+1), d.delivered(0, until), 15_000)
}

// When the queue is full, the longest flow loses its oldest packet; a flow that
// sends little loses nothing.
func TestFQCoDelDropsFromTheLongest(t *testing.T) {
	link := fairLink
	link.Queue.Packets = 50
	d := drive(t, link)
	for range 200 {
		d.send(0, 1, 1500)
	}
	small := d.send(0, 2, 100)
	d.finish()
	assert.Equal(t, NotDropped, small.drop)
	assert.Equal(t, NotDropped, d.sent[0].drop, "it passes")
	for i, p := range d.sent[1:200] {
		if i < 151 {
			assert.Equal(t, DroppedByQueue, p.drop, i)
			assert.Zero(t, p.known, "known at once")
		} else {
			assert.Equal(t, NotDropped, p.drop, i)
		}
	}
}

// The limits are the RFC's: 10,240 packets and 32 MiB.
func TestFQCoDelLimits(t *testing.T) {
	assert.Equal(t, 10_240, admittedTo(Queue{Discipline: FQCoDel}, 1000), "including the packet that is being serialized")
	assert.Equal(t, 512, admittedTo(Queue{Discipline: FQCoDel}, 65536))
	assert.Equal(t, 7, admittedTo(Queue{Discipline: FQCoDel, Packets: 7}, 1000))
	assert.Equal(t, 2, admittedTo(Queue{Discipline: FQCoDel, Bytes: 2000}, 1000))
	assert.Equal(t, 1, admittedTo(Queue{Discipline: FQCoDel, Bytes: 1}, 1000), "a packet that is being serialized needs no room")
}

// admittedTo returns the maximum number of packets of many flows in a queue.
func admittedTo(queue Queue, bytes int) int {
	line := NewLine(Link{Rate: Kbps, Queue: queue}, 0)
	sent := 0
	for flow := range uint64(11_000) {
		line.Send(0, bytes, PacketID{Flow: flow}, nil)
		sent++
	}
	for {
		if _, ok := line.Step(0); !ok {
			return sent
		}
		sent--
	}
}

// There are 1,024 queues: if there are more flows, some share a queue.
func TestFQCoDelQueues(t *testing.T) {
	line := NewLine(Link{Rate: Kbps, Queue: Queue{Discipline: FQCoDel}}, 0)
	for flow := range uint64(10_000) {
		line.Send(0, 100, PacketID{Flow: flow}, nil)
	}
	used := 0
	for _, q := range line.state.server.discipline.queues {
		if q != nil {
			used++
		}
	}
	assert.Equal(t, 1024, used)
}

package netem

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// fairLink passes a packet of 1,500 bytes in a millisecond.
var fairLink = Link{Rate: 12 * Mbps, Queue: Queue{Discipline: FQCoDel}}

// A ping beside a bulk transfer waits for the packet that passes at the time,
// and not for the queue.
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

// A flow of single packets gets no more than its share by always being new.
func TestFQCoDelNewFlowsStarveNone(t *testing.T) {
	d := drive(t, fairLink)
	for range 500 {
		d.send(0, 1, 1500)
	}
	var last *sentPacket
	for d.now < 500*ms { // it sends a packet as soon as its last has left
		if last == nil || last.drop == NotDropped && last.packet.Leave <= d.now {
			last = d.send(d.now, 2, 1500)
		}
		d.until(d.now + ms/10)
	}
	assert.InDelta(t, 375_000, d.delivered(1, 500*ms), 150_000)
	assert.InDelta(t, 375_000, d.delivered(2, 500*ms), 150_000)
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
		if i < 150 {
			assert.Equal(t, DroppedByQueue, p.drop, i)
			assert.Zero(t, p.known, "known at once")
		} else {
			assert.Equal(t, NotDropped, p.drop, i)
		}
	}
}

// The limits are those of the RFC: 10,240 packets, of 32 MiB at most.
func TestFQCoDelLimits(t *testing.T) {
	assert.Equal(t, 10_241, admittedTo(Queue{Discipline: FQCoDel}, 1000), "and one that passes")
	assert.Equal(t, 513, admittedTo(Queue{Discipline: FQCoDel}, 65536))
	assert.Equal(t, 8, admittedTo(Queue{Discipline: FQCoDel, Packets: 7}, 1000))
	assert.Equal(t, 3, admittedTo(Queue{Discipline: FQCoDel, Bytes: 2000}, 1000))
}

// admittedTo returns how many packets of many flows are in a queue at most.
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

// There are 1,024 queues: more flows than that share some.
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

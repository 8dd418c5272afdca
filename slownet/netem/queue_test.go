package netem

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// admitted returns the number of packets of n bytes for which there is room.
func admitted(link Link, n int) (count int) {
	f := NewPacketFlow(link, 0)
	for range 30_000 {
		if _, drop := f.Send(0, n); drop == NotDropped || drop == Queued {
			count++
		}
	}
	return count
}

// A queue is limited by bytes or packets, whichever is reached first; the
// default is 1,000 packets of any size. The packet that is being serialized
// counts.
func TestQueueLimits(t *testing.T) {
	for want, queue := range map[int]Queue{
		1000: {},
		7:    {Packets: 7},
		20:   {Bytes: 20_000},
		5:    {Bytes: 20_000, Packets: 5},
		3:    {Bytes: 3_999, Packets: 5},
		1:    {Bytes: 1},
	} {
		assert.Equal(t, want, admitted(Link{Rate: Kbps, Queue: queue}, 1000), "%+v", queue)
	}
	assert.Equal(t, 1000, admitted(Link{Rate: Kbps}, 60_000), "of any size")
	assert.Equal(t, 30_000, admitted(Link{Queue: Queue{Packets: 1}}, 1000), "where nothing waits, all pass")
}

func TestQueueHolds(t *testing.T) {
	assert.True(t, Queue{}.Holds(1000, math.MaxInt))
	assert.False(t, Queue{}.Holds(1001, 0))
	assert.True(t, Queue{Bytes: 5}.Holds(math.MaxInt, 5))
	assert.False(t, Queue{Bytes: 5}.Holds(1, 6))
	assert.True(t, Queue{Discipline: FQCoDel}.Holds(10_240, 32<<20))
	assert.False(t, Queue{Discipline: FQCoDel}.Holds(1, 32<<20+1))
	assert.False(t, Queue{Discipline: CoDel}.Holds(1001, 1))
}

// On an ideal stream, a limit in packets is a limit in bytes of as many full
// packets.
func TestAhead(t *testing.T) {
	for _, test := range []struct {
		link Link
		want int
	}{
		{Link{}, 0},
		{Link{Queue: Queue{Bytes: 100}}, 100},
		{Link{Queue: Queue{Packets: 2}}, 3000},
		{Link{Queue: Queue{Packets: 2}, MTU: 100}, 200},
		{Link{Queue: Queue{Packets: 2, Bytes: 2999}}, 2999},
		{Link{Queue: Queue{Packets: 2, Bytes: 3001}}, 3000},
		{Link{Queue: Queue{Packets: math.MaxInt}}, math.MaxInt},
		{Link{Queue: Queue{CountDelayed: true, Discipline: FQCoDel}}, 0},
	} {
		assert.Equal(t, test.want, test.link.Ahead(), "%+v", test.link)
	}
}

func TestDisciplineString(t *testing.T) {
	assert.Equal(t, "fifo codel fq_codel Discipline(3)", fmt.Sprint(FIFO, CoDel, FQCoDel, Discipline(3)))
	require.NoError(t, Link{Queue: Queue{1, 2, true, FQCoDel}}.Validate())
}

// Like netem's limit, a queue that counts delayed packets limits the
// throughput: 10 packets in 100 ms are 100 a second, whatever the rate.
func TestCountDelayed(t *testing.T) {
	for _, rate := range []Rate{0, 100 * Mbps} {
		link := Link{Rate: rate, Latency: 100 * ms, Queue: Queue{Packets: 10, CountDelayed: true}}
		f := NewPacketFlow(link, 0)
		arrived := 0
		for i := range time.Duration(2000) {
			if _, drop := f.Send(i*ms, 1250); drop == NotDropped {
				arrived++
			}
		}
		assert.InDelta(t, 200, arrived, 10, "%v", rate)

		link.Queue = Queue{Bytes: 2000, CountDelayed: true}
		f = NewPacketFlow(link, 0)
		for i, want := range []Drop{NotDropped, DroppedByQueue, NotDropped, DroppedByQueue} {
			_, drop := f.Send(0, []int{1250, 751, 750, 0}[i])
			assert.Equal(t, want, drop, i)
		}
		_, drop := f.Send(time.Second, 5000)
		assert.Equal(t, NotDropped, drop, "a packet that is larger than the queue passes alone")
	}
}

// Packets in flight are counted in whatever order they arrive.
func TestCountDelayedUnderJitter(t *testing.T) {
	link := Link{Latency: 100 * ms, Jitter: Jitter{Deviation: 100 * ms}, Queue: Queue{Packets: 20, CountDelayed: true}}
	f := NewPacketFlow(link, 1)
	var arrivals []time.Duration
	dropped := 0
	for i := range time.Duration(5000) {
		now := i * ms
		underway := 0
		for _, at := range arrivals {
			if at > now {
				underway++
			}
		}
		packets, drop := f.Send(now, 100)
		require.Equal(t, underway >= 20, drop == DroppedByQueue, "at %v", now)
		if drop == DroppedByQueue {
			dropped++
			continue
		}
		arrivals = append(arrivals, packets[0].Arrive)
	}
	assert.Greater(t, dropped, 1000)
}

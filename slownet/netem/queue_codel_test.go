package netem

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// codelLink passes a packet of 1,000 bytes in a millisecond.
var codelLink = Link{Rate: 8 * Mbps, Queue: Queue{Discipline: CoDel}}

// While packets wait for less than 5 ms, none is dropped, no matter how long
// the line is busy.
func TestCoDelDropsNothingBelowTheTarget(t *testing.T) {
	d := drive(t, codelLink)
	random := rand.New(rand.NewPCG(1, 1))
	free := time.Duration(0) // when the line is free
	for at := time.Duration(0); at < 20*time.Second; at += time.Duration(random.Int64N(int64(2 * ms))) {
		if free = max(free, at); free-at < codelTarget {
			d.send(at, 1, 1000)
			free += ms
		}
	}
	d.finish()
	assert.Greater(t, len(d.sent), 15_000)
	for _, p := range d.sent {
		require.Equal(t, NotDropped, p.drop)
	}
}

// A burst that drains within 100 ms is not dropped: CoDel drops only from
// standing queues.
func TestCoDelPassesBursts(t *testing.T) {
	d := drive(t, codelLink)
	for burst := range time.Duration(20) {
		for range 100 {
			d.send(burst*200*ms, 1, 1000)
		}
	}
	d.finish()
	assert.Empty(t, d.drops())
	assert.Equal(t, 2_000_000, d.delivered(1, time.Hour))
}

// From a standing queue, the first packet is dropped 100 ms after packets have
// first waited for 5 ms, the next after another 100 ms, then after 100 ms /
// sqrt 2, 100 ms / sqrt 3 and so on. A packet leaves every millisecond, and
// each drop waits for the next departure.
func TestCoDelDropsByTheSquareRootLaw(t *testing.T) {
	d := drive(t, codelLink)
	for range 1000 {
		d.send(0, 1, 1000)
	}
	d.finish()
	var want []time.Duration
	next := 105 * ms
	for count := 1; next < 960*ms; count++ {
		want = append(want, (next + ms - 1).Truncate(ms))
		next += time.Duration(1e8 / math.Sqrt(float64(count)))
	}
	drops := d.drops()
	require.Greater(t, len(drops), 20)
	assert.Equal(t, want[:20], drops[:20])
	assert.Equal(t, []time.Duration{105 * ms, 205 * ms, 276 * ms, 334 * ms, 384 * ms}, drops[:5])

	passes := 0
	for _, p := range d.sent {
		if p.drop == NotDropped {
			passes++
			assert.Equal(t, time.Duration(passes)*ms, p.packet.Leave, "drops take no time")
		}
	}
}

// When packets wait for less than 5 ms again, dropping stops; if they soon wait
// too long again, it resumes at the previous rate.
func TestCoDelRemembersItsRate(t *testing.T) {
	d := drive(t, codelLink)
	for range 500 {
		d.send(0, 1, 1000)
	}
	d.until(490 * ms)
	first := d.drops()
	require.Len(t, first, 7)
	assert.Equal(t, 469*ms, first[6])
	d.until(600 * ms) // all have left
	for range 300 {
		d.send(600*ms, 1, 1000)
	}
	d.finish()
	again := d.drops()[7:]
	require.Greater(t, len(again), 3)
	assert.Equal(t, 705*ms, again[0])
	// The count went from 1 to 7, so it resumes at 6.
	step := time.Duration(1e8 / math.Sqrt(6))
	assert.Equal(t, (705*ms + step + ms - 1).Truncate(ms), again[1])

	d = drive(t, codelLink)
	for burst := range time.Duration(2) {
		for range 500 {
			d.send(burst*10*time.Second, 1, 1000)
		}
	}
	d.finish()
	drops := d.drops()
	assert.Equal(t, []time.Duration{10*time.Second + 105*ms, 10*time.Second + 205*ms}, drops[len(drops)/2:][:2], "a long while later it begins anew")
}

// CoDel leaves the last packet in the queue, even on a line so slow that the
// packet waits for longer than the target.
func TestCoDelLeavesAPacket(t *testing.T) {
	d := drive(t, Link{Rate: 12 * Kbps, Queue: Queue{Discipline: CoDel}}) // a second a packet
	for range 2 {
		d.send(0, 1, 1500)
	}
	for i := range time.Duration(100) {
		d.send(i*time.Second, 1, 1500)
	}
	d.finish()
	assert.Empty(t, d.drops())
	assert.Equal(t, 102*1500, d.delivered(1, 102*time.Second))
}

// A queue with CoDel also drops arriving packets when it is full.
func TestCoDelHasALimit(t *testing.T) {
	for want, queue := range map[int]Queue{1000: {}, 10: {Packets: 10}, 5: {Bytes: 5000}, 1: {Bytes: 1}} {
		queue.Discipline = CoDel
		assert.Equal(t, want, admitted(Link{Rate: Kbps, Queue: queue}, 1000), "%+v, including the packet that is being serialized", queue)
	}
}

// If the senders are only slightly too fast, the queue becomes short even if
// they do not slow down, and the line is always busy.
func TestCoDelControlsTheDelay(t *testing.T) {
	d := drive(t, codelLink)
	for i := range time.Duration(32_000) {
		d.send(i*950*time.Microsecond, 1, 1000)
	}
	d.finish()
	var waited time.Duration
	count := 0
	for _, p := range d.sent {
		if p.drop == NotDropped && p.sent > 20*time.Second {
			waited += p.packet.Leave - p.sent
			count++
		}
	}
	assert.Less(t, waited/time.Duration(count), 20*ms)
	assert.InDelta(t, 30_000_000, d.delivered(1, 30*time.Second), 1000)
}

package netem_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/slownet"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

const oneWay = 50 * time.Millisecond

// pathOf returns a path of 50 ms each way, without a rate.
func pathOf(tcp netem.TCP) *path {
	link := slownet.Link{Latency: oneWay}
	return newPath(tcp, slownet.NewPacketFlow(link, 1), slownet.NewPacketFlow(link, 2))
}

// took returns how long it takes until an end has received n bytes more.
func (p *path) took(t *testing.T, side int, n int) time.Duration {
	t.Helper()
	start, until := p.now, p.ends[side].arrived+int64(n)
	for p.ends[side].arrived < until {
		if !p.step() {
			t.Fatalf("nothing happens after %v, with %d bytes of %d", p.now, p.ends[side].arrived, until)
		}
	}
	return p.now - start
}

// losing makes an end's segments with payload get lost, by their numbers.
func (p *path) losing(side int, numbers ...int) {
	p.ends[side].drop = func(nth int, _ *netem.Segment) bool {
		for _, n := range numbers {
			if n == nth {
				return true
			}
		}
		return false
	}
}

// A body that fits into ten segments takes one way; the rest waits for
// acknowledgements, twice as much each round trip.
func TestSlowStart(t *testing.T) {
	for rounds, segments := range []int{10, 20, 40, 80} {
		p := pathOf(netem.TCP{Congestion: netem.Reno})
		n := 0
		for _, s := range []int{10, 20, 40, 80}[:rounds+1] {
			n += s
		}
		p.write(0, n*netem.MSS)
		assert.Equal(t, oneWay+time.Duration(rounds)*2*oneWay, p.took(t, 1, n*netem.MSS), "%d segments in the last round", segments)
	}
}

// A request that is lost is sent again when the timer expires: after the round
// trip of the handshake and the 200 ms that are the least it may vary.
func TestLostRequest(t *testing.T) {
	p := pathOf(netem.TCP{})
	p.losing(0, 0)
	p.write(0, 200)
	assert.Equal(t, 300*time.Millisecond+oneWay, p.took(t, 1, 200))
}

// A segment that is lost among others is sent again as soon as three after it
// have arrived.
func TestFastRetransmit(t *testing.T) {
	p := pathOf(netem.TCP{})
	p.losing(0, 2)
	p.write(0, 8*netem.MSS)
	assert.Equal(t, 3*oneWay, p.took(t, 1, 8*netem.MSS))
}

// The last of several segments has none after it whose arrival shows that it is
// lost. The acknowledgement of the others set the timers: 200 ms and a round trip
// later it is sent again.
func TestTailLoss(t *testing.T) {
	p := pathOf(netem.TCP{})
	p.losing(0, 5)
	p.write(0, 6*netem.MSS)
	assert.Equal(t, 2*oneWay+300*time.Millisecond+oneWay, p.took(t, 1, 6*netem.MSS))
}

// When a whole flight is lost, a probe repeats its last segment after two round
// trips, before the retransmission timer expires. What it finds lost is sent again
// by proportional rate reduction: one segment, and two in each round trip after it.
func TestTailLossProbe(t *testing.T) {
	p := pathOf(netem.TCP{})
	p.losing(0, 0, 1, 2, 3, 4, 5)
	p.write(0, 6*netem.MSS)
	probe := 4*oneWay + 2*time.Millisecond
	assert.Equal(t, probe+3*2*oneWay+oneWay, p.took(t, 1, 6*netem.MSS))
}

// After three seconds of silence the window is back at ten segments.
func TestSlowStartAfterIdle(t *testing.T) {
	p := pathOf(netem.TCP{})
	p.write(0, 1_000_000)
	p.took(t, 1, 1_000_000)
	for p.step() {
	}
	p.now += 3 * time.Second
	p.write(0, 100_000) // 70 segments: 10, 20 and 40
	assert.Equal(t, 5*oneWay, p.took(t, 1, 100_000))

	for p.step() {
	}
	p.write(0, 100_000) // the window is in use
	assert.Less(t, p.took(t, 1, 100_000), 5*oneWay)
}

// What is written in small pieces while the window is full goes in full
// segments.
func TestSmallWritesFillSegments(t *testing.T) {
	p := pathOf(netem.TCP{})
	p.write(0, 10*netem.MSS)
	for range 1448 {
		p.write(0, 1)
	}
	before := p.ends[0].nth
	p.took(t, 1, 11*netem.MSS)
	assert.Equal(t, 10, before)
	assert.Equal(t, 11, p.ends[0].nth)
}

// A receiver that reads again after its buffer was full is noticed, even if the
// acknowledgement that says so is lost.
func TestLostWindowUpdate(t *testing.T) {
	p := pathOf(netem.TCP{})
	p.ends[1].lazy = true
	p.write(0, 100_000)
	for p.step() && p.now < 10*time.Second {
	}
	held := p.ends[1].end.Unread()
	assert.Less(t, held, int64(100_000))
	p.ends[1].arrived += held
	p.ends[1].end.Read(p.now, int(held))
	for { // the window update is lost
		if _, ok := p.ends[1].end.Output(p.now); !ok {
			break
		}
	}
	p.ends[1].lazy = false
	p.took(t, 1, 100_000-int(held))
}

// BenchmarkSegment tells what a segment costs, with its acknowledgement, the
// links and the test's queue of events.
func BenchmarkSegment(b *testing.B) {
	for _, link := range []struct {
		name string
		loss float64
	}{{"clean", 0}, {"lossy", 0.01}} {
		b.Run(link.name, func(b *testing.B) {
			l := slownet.Link{Latency: 20 * time.Millisecond, Rate: 100 * slownet.Mbps, Queue: 1 << 20, Loss: slownet.Loss{Random: link.loss}}
			p := newPath(netem.TCP{}, slownet.NewPacketFlow(l, 1), slownet.NewPacketFlow(l, 2))
			b.ReportAllocs()
			p.write(0, b.N*netem.MSS)
			for p.ends[1].arrived < int64(b.N)*netem.MSS && p.step() {
			}
		})
	}
}

package netem_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

const oneWay = 50 * time.Millisecond

// pathOf returns a path of 50 ms each way, without a rate.
func pathOf(tcp netem.TCP) *path {
	link := netem.Link{Latency: oneWay}
	return newPath(tcp, netem.NewPacketFlow(link, 1), netem.NewPacketFlow(link, 2))
}

// took returns the time until an end has received n more bytes.
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

// losing drops an end's segments with payload, by their numbers.
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

// The first ten segments of a body arrive after one latency; the rest waits for
// acknowledgements, and twice as much is sent in each round trip.
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

// A lost request is retransmitted when the timer expires: after the round trip
// of the handshake and the minimum variation of 200 ms.
func TestLostRequest(t *testing.T) {
	p := pathOf(netem.TCP{})
	p.losing(0, 0)
	p.write(0, 200)
	assert.Equal(t, 300*time.Millisecond+oneWay, p.took(t, 1, 200))
}

// A segment that is lost among others is retransmitted as soon as three after
// it have arrived.
func TestFastRetransmit(t *testing.T) {
	p := pathOf(netem.TCP{})
	p.losing(0, 2)
	p.write(0, 8*netem.MSS)
	assert.Equal(t, 3*oneWay, p.took(t, 1, 8*netem.MSS))
}

// A fast retransmission of the first segment restarts the timer, so it does not expire
// before the retransmission is acknowledged, although the round trip is longer than the 200
// ms by which the timer exceeds it.
func TestAFastRetransmissionRestartsTheTimer(t *testing.T) {
	link := netem.Link{Latency: 150 * time.Millisecond}
	p := newPath(netem.TCP{}, netem.NewPacketFlow(link, 1), netem.NewPacketFlow(link, 2))
	for range 60 { // the deviation decays
		p.write(0, 10*netem.MSS)
		p.quiet(t)
	}
	sent := p.ends[0].nth
	p.losing(0, sent)
	p.write(0, 10*netem.MSS)
	p.quiet(t)
	assert.Equal(t, 11, p.ends[0].nth-sent, "segments sent")
}

// After the last of several segments no other arrives to reveal its loss. The
// acknowledgements of the others set the timers: 200 ms and a round trip later the last
// segment is retransmitted.
func TestTailLoss(t *testing.T) {
	p := pathOf(netem.TCP{})
	p.losing(0, 5)
	p.write(0, 6*netem.MSS)
	assert.Equal(t, 2*oneWay+300*time.Millisecond+oneWay, p.took(t, 1, 6*netem.MSS))
}

// When a whole flight is lost, a probe repeats its last segment after two round
// trips, before the retransmission timer expires. Losses that it reveals are
// retransmitted by proportional rate reduction: one segment, and two in each
// round trip after it.
func TestTailLossProbe(t *testing.T) {
	p := pathOf(netem.TCP{})
	p.losing(0, 0, 1, 2, 3, 4, 5)
	p.write(0, 6*netem.MSS)
	probe := 4*oneWay + 2*time.Millisecond
	assert.Equal(t, probe+3*2*oneWay+oneWay, p.took(t, 1, 6*netem.MSS))
}

// After three idle seconds the window is back at ten segments.
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

// Bytes written in small pieces while the window is full are sent in full
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

// When a receiver reads again after its buffer was full, the sender learns of
// it even if the window update is lost.
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

// A wire carries segments in one direction, after a delay.
type wire struct {
	segments []segmentOnPath
	first    int
}

func (w *wire) next() time.Duration {
	if w.first == len(w.segments) {
		return netem.Never
	}
	return w.segments[w.first].at
}

func (w *wire) take() *netem.Segment {
	w.first++
	return &w.segments[w.first-1].segment
}

// put adds a segment, and occasionally discards segments that were taken.
func (w *wire) put(at time.Duration, segment netem.Segment) {
	if w.first > 1000 {
		w.segments = append(w.segments[:0], w.segments[w.first:]...)
		w.first = 0
	}
	w.segments = append(w.segments, segmentOnPath{at: at, segment: segment})
}

// BenchmarkSegment measures the cost of a segment at both ends, with its share
// of acknowledgements, at 100 Mbit/s and 40 ms.
func BenchmarkSegment(b *testing.B) {
	const roundTrip = 40 * time.Millisecond
	for _, every := range []int{0, 100} { // one in this many segments is lost
		b.Run(fmt.Sprintf("lost=1/%d", every), func(b *testing.B) {
			ends := [2]*netem.End{netem.NewEnd(netem.TCP{}, 0, roundTrip), netem.NewEnd(netem.TCP{}, 0, roundTrip)}
			var wires [2]wire
			var now, free time.Duration
			count := 0
			send := func(from int) {
				for {
					segment, ok := ends[from].Output(now)
					if !ok {
						return
					}
					at := now
					if from == 0 {
						free = max(free, now) + 120*time.Microsecond
						at = free
						if count++; every > 0 && count%every == 0 {
							continue
						}
					}
					wires[from].put(at+roundTrip/2, segment)
				}
			}
			b.ReportAllocs()
			ends[0].Write(now, b.N*netem.MSS)
			send(0)
			for got := 0; got < b.N*netem.MSS; {
				now = min(wires[0].next(), wires[1].next(), ends[0].Next(), ends[1].Next())
				for i := range ends {
					if ends[i].Next() <= now {
						ends[i].Expire(now)
						send(i)
					}
					if wires[1-i].next() > now {
						continue
					}
					ends[i].Input(now, wires[1-i].take())
					n := int(ends[i].Unread())
					got += n
					ends[i].Read(now, n)
					send(i)
				}
			}
		})
	}
}

// An ideal stream has no End, and buffers cannot have negative sizes.
func TestEndsOfAnInvalidTCPPanic(t *testing.T) {
	for want, tcp := range map[string]netem.TCP{
		"netem: TCP.Congestion is unlimited: an ideal stream has no End, use a Flow":        {Congestion: netem.Unlimited},
		"netem: TCP.Window is -1: it must be 0 (Linux's buffers, which grow) or more bytes": {Window: -1},
		"netem: TCP.UserTimeout is -1ns: it must be 0 (Linux's 15 to 18 minutes) or more":   {UserTimeout: -1},
	} {
		assert.PanicsWithValue(t, want, func() { netem.NewEnd(tcp, 0, 0) })
		assert.PanicsWithValue(t, want, func() { netem.Dial(tcp, 0) })
		assert.PanicsWithValue(t, want, func() { netem.Accept(tcp, 0, &netem.Segment{Flags: netem.SYN}) })
	}
}

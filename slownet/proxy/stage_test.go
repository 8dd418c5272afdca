package proxy

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

const ms = time.Millisecond

// A departure is an item that has left a pipeline, and the time at which it left.
type departure struct {
	at   time.Duration
	text string
	kind itemKind
}

// run puts items into a pipeline when they are due, and returns the items that leave it.
func run(p *pipeline, items ...item) (out []departure) {
	now := time.Duration(0)
	for {
		p.advance(now)
		for !p.out.isEmpty() {
			it := p.out.pop()
			out = append(out, departure{now, string(it.data), it.kind})
		}
		next, ok := p.next(now)
		switch {
		case len(items) > 0 && p.hasRoom(0) && (!ok || items[0].at <= next):
			it := items[0]
			now = max(now, it.at)
			items = items[1:]
			p.put(0, now, it)
		case ok:
			now = next
		default:
			return out
		}
	}
}

// stagesOf returns a pipeline with the given stages.
func stagesOf(all ...staged) *pipeline {
	p := &pipeline{}
	for _, a := range all {
		p.stages = append(p.stages, entry{nil, a.newStage(setting{seed: 1})})
	}
	return p
}

func text(at time.Duration, s string) item { return item{data: []byte(s), at: at} }

func end(at time.Duration) item { return item{at: at, kind: endItem} }

func TestLatencyStage(t *testing.T) {
	assert.Equal(t, []departure{{100 * ms, "a", 0}, {101 * ms, "b", 0}, {300 * ms, "", endItem}},
		run(stagesOf(Latency{Latency: 100 * ms}), text(0, "a"), text(ms, "b"), end(200*ms)))

	var items []item
	for i := range 2000 {
		items = append(items, text(time.Duration(i)*time.Second, "x"))
	}
	least, most, sum := time.Hour, time.Duration(0), time.Duration(0)
	for i, d := range run(stagesOf(Latency{100 * ms, 50 * ms}), items...) {
		delay := d.at - items[i].at
		least, most, sum = min(least, delay), max(most, delay), sum+delay
	}
	assert.InDelta(t, 50, least.Seconds()*1000, 1)
	assert.InDelta(t, 150, most.Seconds()*1000, 1)
	assert.InDelta(t, 100, (sum/2000).Seconds()*1000, 2)
	assert.Equal(t, []departure{{20 * ms, "a", 0}}, run(stagesOf(Latency{Latency: -ms}, Latency{Latency: 20 * ms}), text(0, "a")), "a delay is never negative")
}

func TestBandwidthStage(t *testing.T) {
	// At 8 kbit/s a byte takes a millisecond, and a piece is ten bytes.
	rate := Bandwidth{8 * netem.Kbps}
	assert.Equal(t, []departure{{10 * ms, "0123456789", 0}, {15 * ms, "abcde", 0}, {15 * ms, "", endItem}},
		run(stagesOf(rate), text(0, "0123456789abcde"), end(0)))
	assert.Equal(t, []departure{{ms, "a", 0}, {101 * ms, "b", 0}, {102 * ms, "c", 0}},
		run(stagesOf(rate), text(0, "a"), text(100*ms, "b"), text(100*ms, "c")), "idle time does not accumulate")
	out := run(stagesOf(Bandwidth{800 * netem.Mbps}), item{data: make([]byte, 10_000_000)})
	assert.Equal(t, 100*ms, out[len(out)-1].at)

	p := stagesOf(Bandwidth{})
	assert.Empty(t, run(p, text(0, "kept")))
	p.stages[0].stage.change(time.Second, rate)
	p.advance(time.Second + 4*ms)
	assert.Equal(t, "kept", string(p.out.pop().data), "rate 0 loses nothing")
}

// Connections that share a rate take turns.
func TestSharedBandwidth(t *testing.T) {
	meter := new(sharedState)
	a := Bandwidth{8 * netem.Kbps}.newStage(setting{shared: meter})
	b := Bandwidth{8 * netem.Kbps}.newStage(setting{shared: meter})
	a.push(0, item{data: make([]byte, 100)})
	b.push(0, item{data: make([]byte, 100)})
	var left [2]time.Duration
	now := time.Duration(0)
	for range 20 {
		atA, okA := a.due()
		atB, okB := b.due()
		if okA && (!okB || atA < atB) {
			now = atA
			a.pop(now)
			left[0] = now
		} else {
			require.True(t, okB)
			now = atB
			b.pop(now)
			left[1] = now
		}
	}
	assert.Equal(t, [2]time.Duration{190 * ms, 200 * ms}, left)
}

func TestSlicerStage(t *testing.T) {
	out := run(stagesOf(Slicer{AverageSize: 2, Delay: 5 * ms}), text(0, "abcdefg"), end(0))
	assert.Equal(t, []departure{{0, "a", 0}, {5 * ms, "bc", 0}, {10 * ms, "de", 0}, {15 * ms, "fg", 0}, {20 * ms, "", endItem}}, out)

	data := randomBytes(64 << 10)
	var joined []byte
	pieces := 0
	for _, d := range run(stagesOf(Slicer{AverageSize: 1024, SizeVariation: 512}), item{data: data}) {
		joined, pieces = append(joined, d.text...), pieces+1
		assert.LessOrEqual(t, len(d.text), 1024+512)
	}
	assert.True(t, bytes.Equal(data, joined))
	assert.InDelta(t, 64, pieces, 40)
}

func TestEndStages(t *testing.T) {
	assert.Equal(t, []departure{{0, "a", 0}, {120 * ms, "", endItem}}, run(stagesOf(SlowClose{100 * ms}), text(0, "a"), end(20*ms)))
	assert.Equal(t, []departure{{ms, "", endItem}}, run(stagesOf(Timeout{}), text(0, "a"), end(ms)))
	assert.Equal(t, []departure{{0, "ab", 0}, {0, "c", 0}, {0, "", finishItem}}, run(stagesOf(LimitData{3}), text(0, "ab"), text(0, "cd"), text(0, "e")))
	assert.Equal(t, []departure{{0, "", endItem}}, run(stagesOf(LimitData{3}), end(0)))

	p := stagesOf(ResetPeer{30 * ms})
	assert.Empty(t, run(p, text(0, "a")))
	at, what, ok := p.nextAlarm()
	assert.True(t, ok)
	assert.Equal(t, 30*ms, at)
	assert.Equal(t, resetItem, what)
	at, what, ok = stagesOf(Timeout{20 * ms}).nextAlarm()
	assert.True(t, ok)
	assert.Equal(t, 20*ms, at)
	assert.Equal(t, finishItem, what)
	_, _, ok = stagesOf(Timeout{}).nextAlarm()
	assert.False(t, ok)
}

// toxicOf returns a toxic for all downstream bytes.
func toxicOf(a Attributes, number uint64) *toxic {
	return &toxic{Toxic: Toxic{Toxicity: 1, Attributes: a}, number: number}
}

// Whatever toxics are added, changed and removed, all bytes leave in order.
func TestRestageLosesNothing(t *testing.T) {
	slow, slower, rate := toxicOf(Latency{Latency: time.Second}, 1), toxicOf(Latency{Latency: time.Hour}, 2), toxicOf(Bandwidth{}, 3)
	p := &pipeline{}
	set := func(now time.Duration, toxics ...*toxic) { p.restage(restaging{now: now, toxics: toxics}) }
	set(0, slow, rate)
	p.put(0, 0, text(0, "a"))
	p.advance(time.Second) // a is before the rate
	p.put(0, time.Second, text(time.Second, "b"))
	set(time.Second, slow, rate, slower)
	set(time.Second, slow, slower) // a moves on to the last stage
	p.put(0, time.Second, text(time.Second, "c"))
	p.advance(2 * time.Second)
	set(2*time.Second, slow)
	p.put(0, 2*time.Second, text(2*time.Second, "d"))
	set(2 * time.Second)
	p.put(0, 2*time.Second, text(2*time.Second, "e"))
	var left string
	for !p.out.isEmpty() {
		left += string(p.out.pop().data)
	}
	assert.Equal(t, "abcde", left)
}

// The two directions of a connection draw independently of each other.
func TestDrawsOfDirections(t *testing.T) {
	toxic := toxicOf(Latency{100 * ms, 50 * ms}, 1)
	same := 0
	for n := range uint64(20) {
		var at [2]time.Duration
		for s := range at {
			stage := toxic.newStage(0, n, Stream(s), false)
			stage.push(0, text(0, "x"))
			at[s], _ = stage.due()
		}
		if at[0] == at[1] {
			same++
		}
	}
	assert.Zero(t, same)
}

// A profile's Up is the link of the bytes to the server.
func TestLinkOfAProfile(t *testing.T) {
	l := Link{Profile: &netem.Profile{Up: netem.Link{Latency: ms}, Down: netem.Link{Latency: 2 * ms}}}
	assert.Equal(t, ms, l.over(Upstream).Latency)
	assert.Equal(t, 2*ms, l.over(Downstream).Latency)
}

// Everything random follows only from the seed, the names and the number of the
// connection.
func TestDrawsRepeat(t *testing.T) {
	draws := func(seed uint64, others ...Toxic) (hits []bool, delays []time.Duration) {
		s := &Server{Seed: seed}
		defer s.Close()
		p, err := s.Add(Config{Name: "p", Upstream: "x", Disabled: true})
		require.NoError(t, err)
		for _, other := range others {
			_, err = p.AddToxic(other)
			require.NoError(t, err)
		}
		_, err = p.AddToxic(Toxic{Name: "t", Toxicity: 0.5, Attributes: Latency{100 * ms, 50 * ms}})
		require.NoError(t, err)
		toxic := p.set.Load().find("t")
		for n := range uint64(200) {
			hits = append(hits, toxic.hits(n))
			stage := toxic.newStage(0, n, Downstream, false)
			stage.push(0, text(0, "x"))
			at, _ := stage.due()
			delays = append(delays, at)
		}
		return hits, delays
	}
	hits, delays := draws(1)
	again, delaysAgain := draws(1, Toxic{Name: "other", Toxicity: 0.5, Attributes: Noop{}})
	assert.Equal(t, hits, again)
	assert.Equal(t, delays, delaysAgain)
	other, otherDelays := draws(2)
	assert.NotEqual(t, hits, other)
	assert.NotEqual(t, delays, otherDelays)
	count := 0
	for _, hit := range hits {
		if hit {
			count++
		}
	}
	assert.InDelta(t, 100, count, 3*math.Sqrt(200*0.25))
}

// The rate of a flow is a whole number, and 0 soon after the last byte.
func TestRate(t *testing.T) {
	var m meter
	m.add(time.Second, 1000)
	rate := func(now time.Duration) float64 { return new(pipeline).info(now, &m, false).Rate }
	assert.EqualValues(t, 1000, rate(time.Second))
	assert.EqualValues(t, 368, rate(2*time.Second))
	assert.EqualValues(t, 0, rate(10*time.Second))
}

package netem

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const ms = time.Millisecond

// sendAll sends n bytes at now and returns the pieces.
func sendAll(f *Flow, now time.Duration, n int) (pieces []Piece) {
	for n > 0 {
		piece := f.Send(now, n)
		pieces = append(pieces, piece)
		n -= piece.Bytes
	}
	return pieces
}

// settle steps the flow until the arrival times of all pieces are known, without
// sending anything after them.
func settle(f *Flow, pieces []Piece) []Piece {
	for i := range pieces {
		if piece := &pieces[i]; piece.Pending {
			arrive, ok := f.Step(f.Next())
			if piece.Arrive, piece.Pending = arrive, false; !ok {
				panic("Step has no result at the time that Next returned")
			}
		}
	}
	return pieces
}

// alone sends a piece and steps the flow until its arrival time is known.
func alone(f *Flow, now time.Duration, n int) Piece { return settle(f, []Piece{f.Send(now, n)})[0] }

// replayOf returns a replay with slots at the given times in milliseconds.
func replayOf(milliseconds ...int) *Replay {
	var lines strings.Builder
	for _, at := range milliseconds {
		lines.WriteString(strconv.Itoa(at) + "\n")
	}
	replay, err := ParseReplay(strings.NewReader(lines.String()))
	if err != nil {
		panic(err)
	}
	return replay
}

// A send is a call of Flow.Send at a time; 0 bytes are the end of the stream.
type send struct {
	at    time.Duration
	bytes int
}

// once returns a piece that was sent once.
func once(bytes int, leave, arrive time.Duration) Piece {
	return Piece{Bytes: bytes, Leave: leave, Arrive: arrive, Sent: 1}
}

func end(leave, arrive time.Duration) Piece { return Piece{Leave: leave, Arrive: arrive} }

// Each piece leaves and arrives at the exact nanosecond.
func TestFlow(t *testing.T) {
	const us = time.Microsecond
	scenarios := []struct {
		name  string
		link  Link
		sends []send
		want  []Piece
	}{
		{"the zero link passes all at once", Link{},
			[]send{{5 * ms, 1 << 30}}, []Piece{once(1<<30, 5*ms, 5*ms)}},
		{"latency", Link{Latency: 50 * ms},
			[]send{{0, 10}, {1 * ms, 20}}, []Piece{once(10, 0, 50*ms), once(20, 1*ms, 51*ms)}},
		{"the MTU of a link that passes everything does not matter", Link{Latency: 1, MTU: 10},
			[]send{{0, 1000}}, []Piece{once(1000, 0, 1)}},
		{"nor does that of a black hole for packets larger than a stream's", Link{Latency: 1, MTU: 1500, DropOversize: true},
			[]send{{0, 2000}}, []Piece{once(2000, 0, 1)}},

		{"rate: 1500 bytes are 12,000 bits, 12 ms at 1 Mbit/s; 500 more are 4 ms", Link{Rate: Mbps},
			[]send{{0, 2000}}, []Piece{once(1500, 12*ms, 12*ms), once(500, 16*ms, 16*ms)}},
		{"rate: a later send waits in the queue, and one after an idle time leaves at once", Link{Rate: Mbps},
			[]send{{0, 1000}, {2 * ms, 1000}, {100 * ms, 1000}},
			[]Piece{once(1000, 8*ms, 8*ms), once(1000, 16*ms, 16*ms), once(1000, 108*ms, 108*ms)}},
		{"rate: a send at the moment the link becomes free leaves as if it had waited: 1 byte takes 2 2/3 s, 3 take 8 s", Link{Rate: 3},
			[]send{{0, 1}, {2666666666, 1}, {5333333333, 1}},
			[]Piece{once(1, 2666666666, 2666666666), once(1, 5333333333, 5333333333), once(1, 8*time.Second, 8*time.Second)}},
		{"MTU: 1,200 bytes are packets of 4, 4 and 1.6 ms", Link{Rate: Mbps, MTU: 500},
			[]send{{0, 1200}}, []Piece{once(500, 4*ms, 4*ms), once(500, 8*ms, 8*ms), once(200, 9600*us, 9600*us)}},

		{"pace: 25 bytes are 10, 10 and 5", Link{Pace: Pace{10, 100 * ms}},
			[]send{{0, 25}}, []Piece{once(10, 0, 0), once(10, 100*ms, 100*ms), once(5, 200*ms, 200*ms)}},
		{"pace: the end of the stream waits after the last piece", Link{Pace: Pace{10, 100 * ms}},
			[]send{{0, 3}, {}}, []Piece{once(3, 0, 0), end(100*ms, 100*ms)}},
		{"pace without a number of bytes waits after each write", Link{Pace: Pace{Wait: 1 * ms}},
			[]send{{0, 3}, {0, 4}}, []Piece{once(3, 0, 0), once(4, 1*ms, 1*ms)}},
		{"pace and rate: 2,000 bytes take 16 ms in two packets, then comes the wait", Link{Rate: Mbps, Pace: Pace{2000, 10 * ms}},
			[]send{{0, 3000}}, []Piece{once(1500, 12*ms, 12*ms), once(500, 16*ms, 16*ms), once(1000, 34*ms, 34*ms)}},
		{"pace and MTU: 2,000 bytes are 900, 900 and 200, 7.2, 7.2 and 1.6 ms, then come the wait and 0.8 ms",
			Link{Rate: Mbps, MTU: 900, Pace: Pace{2000, 10 * ms}},
			[]send{{0, 2100}},
			[]Piece{once(900, 7200*us, 7200*us), once(900, 14400*us, 14400*us), once(200, 16*ms, 16*ms), once(100, 26800*us, 26800*us)}},
		{"latency, rate and pace", Link{Latency: 50 * ms, Rate: Mbps, Pace: Pace{500, 10 * ms}},
			[]send{{1 * ms, 600}, {1 * ms, 0}},
			[]Piece{once(500, 5*ms, 55*ms), once(100, 15800*us, 65800*us), end(25800*us, 75800*us)}},

		{"replay: two slots in one millisecond are 3,000 bytes", Link{Replay: replayOf(5, 5, 10)},
			[]send{{0, 4000}}, []Piece{once(1500, 5*ms, 5*ms), once(1500, 5*ms, 5*ms), once(1000, 10*ms, 10*ms)}},
		{"replay: it repeats after its end: 3, 10, 10 + 3, 10 + 10, 20 + 3", Link{Replay: replayOf(3, 10), Latency: ms},
			[]send{{0, 7500}},
			[]Piece{once(1500, 3*ms, 4*ms), once(1500, 10*ms, 11*ms), once(1500, 13*ms, 14*ms), once(1500, 20*ms, 21*ms), once(1500, 23*ms, 24*ms)}},
		{"replay: unused slots are lost", Link{Replay: replayOf(5, 6, 7, 10)},
			[]send{{7*ms + 1, 100}, {11 * ms, 1600}}, []Piece{once(100, 10*ms, 10*ms), once(1500, 15*ms, 15*ms), once(100, 16*ms, 16*ms)}},
		{"replay: a slot at 0 can be used by sends at 0", Link{Replay: replayOf(0, 10)},
			[]send{{0, 100}, {0, 100}, {1, 100}}, []Piece{once(100, 0, 0), once(100, 0, 0), once(100, 10*ms, 10*ms)}},
		{"replay: at its end come the last slot and then the first of the next round, at 10 + 0", Link{Replay: replayOf(0, 10)},
			[]send{{10 * ms, 4500}}, []Piece{once(1500, 10*ms, 10*ms), once(1500, 10*ms, 10*ms), once(1500, 20*ms, 20*ms)}},
		{"replay: pieces that wait share a slot: 700 + 700 + 100", Link{Replay: replayOf(10, 20)},
			[]send{{0, 700}, {0, 700}, {0, 700}},
			[]Piece{once(700, 10*ms, 10*ms), once(700, 10*ms, 10*ms), once(100, 10*ms, 10*ms), once(600, 20*ms, 20*ms)}},
		{"replay and MTU: a slot holds 600, 600 and 300", Link{Replay: replayOf(10), MTU: 600},
			[]send{{0, 1800}},
			[]Piece{once(600, 10*ms, 10*ms), once(600, 10*ms, 10*ms), once(300, 10*ms, 10*ms), once(300, 20*ms, 20*ms)}},
		{"replay and pace: after the slot at 10 and the wait until 15 comes the slot at 20", Link{Latency: 7 * ms, Replay: replayOf(10), Pace: Pace{1000, 5 * ms}},
			[]send{{0, 2000}, {0, 0}}, []Piece{once(1000, 10*ms, 17*ms), once(1000, 20*ms, 27*ms), end(25*ms, 32*ms)}},

		{"bottleneck: as a rate", Link{Latency: ms, Bottleneck: NewBottleneck(Mbps)},
			[]send{{0, 2000}}, []Piece{once(1500, 12*ms, 13*ms), once(500, 16*ms, 17*ms)}},
		{"bottleneck: as a replay", Link{Latency: ms, Bottleneck: NewReplayBottleneck(replayOf(5))},
			[]send{{0, 2000}}, []Piece{once(1500, 5*ms, 6*ms), once(500, 10*ms, 11*ms)}},
		{"bottleneck: without a limit there are still packets", Link{Bottleneck: NewBottleneck(0)},
			[]send{{ms, 2000}}, []Piece{once(1500, ms, ms), once(500, ms, ms)}},

		{"a duplicate occupies the link, too: 12 ms twice", Link{Rate: Mbps, Duplicate: Chance{Probability: 1}},
			[]send{{0, 3000}, {0, 0}}, []Piece{once(1500, 12*ms, 12*ms), once(1500, 36*ms, 36*ms), end(48*ms, 48*ms)}},
		{"a reordered packet occupies the link twice and has no latency, and the end is not reordered",
			Link{Rate: Mbps, Latency: 100 * ms, Reorder: Chance{Probability: 1}},
			[]send{{0, 3000}, {0, 0}}, []Piece{once(1500, 12*ms, 12*ms), once(1500, 36*ms, 36*ms), end(48*ms, 148*ms)}},

		{"the end of an empty stream takes no time", Link{Rate: 1, Pace: Pace{1, time.Hour}, Loss: Loss{Random: 1}},
			[]send{{}, {}}, []Piece{end(0, 0), end(0, 0)}},
		{"times do not exceed the end of time", Link{Rate: 1, Latency: timeline.End},
			[]send{{1, 1}, {2, 0}}, []Piece{once(1, 8*time.Second+1, timeline.End), end(8*time.Second+1, timeline.End)}},
		{"a packet that would leave after the end of time leaves at the end of time", Link{Rate: 1, MTU: 1_200_000_000, Pace: Pace{Wait: time.Hour}},
			[]send{{0, 1_200_000_000}, {0, 1}}, []Piece{once(1_200_000_000, timeline.End, timeline.End), once(1, timeline.End, timeline.End)}},
		{"a lost packet fails at the end of time", Link{Rate: 1, MTU: 1_200_000_000, Loss: Loss{Random: 1}},
			[]send{{0, 1_200_000_000}}, []Piece{{Bytes: 1_200_000_000, Leave: timeline.End, Arrive: timeline.End, Sent: 16, Failed: true}}},
	}
	for _, scenario := range scenarios {
		t.Run(scenario.name, func(t *testing.T) {
			f := NewFlow(scenario.link, 1)
			var got []Piece
			for _, s := range scenario.sends {
				if s.bytes == 0 {
					got = append(got, f.Send(s.at, 0))
				}
				got = append(got, sendAll(f, s.at, s.bytes)...)
			}
			assert.Equal(t, scenario.want, settle(f, got))
		})
	}
}

func TestFlowRoundingDoesNotAddUp(t *testing.T) {
	f := NewFlow(Link{Rate: 3}, 0) // a byte takes 2 2/3 s
	var last Piece
	for range 3000 {
		last = f.Send(0, 1)
	}
	assert.Equal(t, 8000*time.Second, last.Leave)
}

// The wait of the pace follows a write that is abandoned in the middle, too.
func TestFlowBreak(t *testing.T) {
	f := NewFlow(Link{Rate: Mbps, Pace: Pace{Wait: time.Second}}, 0)
	assert.Equal(t, once(1500, 12*ms, 12*ms), f.Send(0, 9000))
	f.Break()
	f.Break()
	assert.Equal(t, once(125, 1013*ms, 1013*ms), f.Send(20*ms, 125))
	f.Break()
	assert.Equal(t, once(125, 2014*ms, 2014*ms), f.Send(20*ms, 125))
}

// The wait after an abandoned write begins when the retransmissions of its last
// packet have left the link: at 12 ms + 12 ms.
func TestFlowBreakAfterARetransmission(t *testing.T) {
	f := NewFlow(Link{Rate: Mbps, Pace: Pace{Wait: time.Second}, Loss: everyOther}, 0)
	assert.Equal(t, Piece{Bytes: 1500, Leave: 12 * ms, Arrive: 1024 * ms, Sent: 2}, alone(f, 0, 9000))
	f.Break()
	assert.Equal(t, 1024*ms, f.Free())
}

// Nothing enters the link before the end of a hold.
func TestFlowHold(t *testing.T) {
	f := NewFlow(Link{Latency: ms}, 0)
	f.Hold(time.Second)
	f.Hold(10 * ms)
	assert.Equal(t, time.Second, f.Free())
	assert.Equal(t, once(1, time.Second, 1001*ms), f.Send(0, 1))
	assert.Equal(t, once(1, 2*time.Second, 2001*ms), f.Send(2*time.Second, 1))
}

func TestFlowChangedLinkDoesNotOvertake(t *testing.T) {
	f := NewFlow(Link{Latency: time.Second}, 0)
	assert.Equal(t, once(1, 0, time.Second), f.Send(0, 1))
	f.SetLink(Link{Latency: 10 * ms})
	assert.Equal(t, Link{Latency: 10 * ms}, f.Link())
	assert.Equal(t, once(1, ms, time.Second), f.Send(ms, 1))
	assert.Equal(t, once(1, 2*time.Second, 2010*ms), f.Send(2*time.Second, 1))
}

// A change of the link in the middle of a write applies to the rest of the
// write.
func TestFlowChangedInTheMiddle(t *testing.T) {
	links := []struct {
		link Link
		want Piece
	}{
		{Link{Rate: Mbps, Pace: Pace{5000, time.Second}}, once(1500, 12*ms, 12*ms)},
		{Link{Rate: 2 * Mbps}, once(1500, 18*ms, 18*ms)},
		{Link{Replay: replayOf(1)}, once(1500, 18*ms, 18*ms)},
		{Link{Replay: replayOf(20)}, once(1500, 20*ms, 20*ms)},
		{Link{Replay: replayOf(1)}, once(1500, 20*ms, 20*ms)},
		{Link{Replay: replayOf(1), Latency: ms}, once(1500, 20*ms, 21*ms)},
		{Link{Bottleneck: NewBottleneck(Mbps)}, once(1500, 32*ms, 32*ms)},
		{Link{}, once(100000, 32*ms, 32*ms)},
	}
	f := NewFlow(Link{}, 0)
	for _, step := range links {
		f.SetLink(step.link)
		require.Equal(t, step.want, f.Send(0, 100000), "%+v", step.link)
	}
}

// Flows with equal links are independent, and a change of one link does not
// affect the other.
func TestFlowsShareALink(t *testing.T) {
	one, other := NewFlow(Link{Rate: Mbps, Latency: ms}, 1), NewFlow(Link{}, 2)
	assert.Equal(t, once(1250, 0, 0), other.Send(0, 1250))
	other.Line().SetSharedLink(one.SharedLink())
	assert.Equal(t, one.Link(), other.Link())
	for range 3 {
		now := one.Free()
		want := one.Send(now, 1250)
		assert.Equal(t, once(1250, now+10*ms, now+11*ms), want)
		assert.Equal(t, want, other.Send(now, 1250))
	}
	one.SetLink(Link{})
	assert.Equal(t, Link{Rate: Mbps, Latency: ms}, other.Link())
	assert.Zero(t, testing.AllocsPerRun(10, func() { other.Line().SetSharedLink(one.SharedLink()) }))
}

// Slots are numbered from the beginning of a replay: a replay that replaces
// another does not continue at the number of the other's slot.
func TestFlowChangedReplay(t *testing.T) {
	f := NewFlow(Link{Replay: replayOf(1)}, 0)
	assert.Equal(t, once(1000, 500*ms, 500*ms), f.Send(500*ms, 1000))
	f.SetLink(Link{Replay: replayOf(100)})
	assert.Equal(t, once(1000, 600*ms, 600*ms), f.Send(501*ms, 1000))
}

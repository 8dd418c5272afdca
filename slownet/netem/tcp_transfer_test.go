package netem_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A pipe is a netem.Pipe for a Transfer, over a line of its own.
type pipe struct {
	line *netem.Line
	id   netem.PacketID
}

func newPipe(link netem.Link, seed uint64) *pipe {
	return &pipe{line: netem.NewLine(link, seed)}
}

func (p *pipe) Send(now time.Duration, s *netem.Segment) netem.Fate {
	p.id.Number++
	return p.line.Send(now, s.Size(), p.id, nil)
}

// transferTime returns the time of a transfer of n bytes, from an application that
// writes as much as it can to an application that reads at once.
func transferTime(t *testing.T, tr *netem.Transfer, n int) (took time.Duration) {
	tr.SetEager(0, true)
	for written := 0; tr.Received() < int64(n); {
		if room := min(tr.Room(), n-written); room > 0 {
			tr.Write(took, room)
			written += room
			if written == n {
				tr.CloseWrite(took)
			}
		}
		next := tr.Next()
		if next == netem.Never {
			require.Fail(t, "stuck", "after %d bytes of %d, at %v", tr.Received(), n, took)
		}
		took = next
		tr.Advance(took)
		if tr.Received() > int64(written) {
			require.Fail(t, "more arrives than was written")
		}
	}
	return took
}

// A Transfer takes as long as two Ends whose driver dials and carries each segment itself.
func TestTransferTakesTheTimeOfItsEnds(t *testing.T) {
	for name, link := range map[string]netem.Link{
		"latency": {Latency: 50 * time.Millisecond},
		"rate":    {Latency: 20 * time.Millisecond, Rate: 10 * netem.Mbps},
		"fast":    {Latency: 50 * time.Millisecond, Rate: netem.Gbps},
		"queue":   {Latency: 20 * time.Millisecond, Rate: 10 * netem.Mbps, Queue: netem.Queue{Bytes: 30_000}},
	} {
		for _, n := range []int{1, 14_480, 100_000, 2_000_000} {
			back := netem.Link{Latency: link.Latency}
			p := newPath(netem.TCP{}, netem.NewPacketFlow(link, 1), netem.NewPacketFlow(back, 2))
			p.write(0, n)
			want := p.took(t, 1, n)
			got := transferTime(t, netem.NewTransfer(netem.TCP{}, 0, 2*link.Latency, newPipe(link, 1), newPipe(back, 2)), n)
			assert.InEpsilon(t, want, got, 0.02, "%s, %d bytes", name, n)
		}
	}
}

// Whatever happens to the packets, all bytes arrive, and no more than were
// written.
func TestTransferLosesNothing(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 4))
		there, back := randomLink(random), randomLink(random)
		tr := netem.NewTransfer(netem.TCP{}, 0, there.Latency+back.Latency, newPipe(there, seed), newPipe(back, seed+1))
		transferTime(t, tr, 1+random.IntN(300_000))
		for next := tr.Next(); next != netem.Never; next = tr.Next() {
			tr.Advance(next) // until nothing is left to do
		}
		require.True(t, tr.Ended(), seed)
		require.Equal(t, netem.NotFailed, tr.Failure(), seed)
	}
}

// A segment costs no allocation.
func TestTransferAllocatesNothing(t *testing.T) {
	link := netem.Link{Latency: 5 * time.Millisecond, Rate: 100 * netem.Mbps}
	tr := netem.NewTransfer(netem.TCP{}, 0, 2*link.Latency, newPipe(link, 1), newPipe(link, 2))
	now, read := time.Duration(0), int64(0)
	step := func() {
		tr.Write(now, netem.MSS)
		for fresh := int64(0); fresh == 0; fresh = tr.Received() - read {
			now = tr.Next()
			tr.Advance(now)
		}
		read = tr.Received()
		tr.Take(now, read)
	}
	for range 1000 {
		step()
	}
	assert.Zero(t, testing.AllocsPerRun(1000, step))
}

// BenchmarkTransfer moves bytes over a link with a rate; ns/segment is for a
// segment with payload, including its acknowledgement.
func BenchmarkTransfer(b *testing.B) {
	for name, link := range map[string]netem.Link{
		"clean": {Latency: 5 * time.Millisecond, Rate: netem.Gbps},
		"loss":  {Latency: 5 * time.Millisecond, Rate: netem.Gbps, Loss: netem.Loss{Random: 0.01}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			tr := netem.NewTransfer(netem.TCP{}, 0, 2*link.Latency, newPipe(link, 1), newPipe(netem.Link{Latency: link.Latency}, 2))
			now := time.Duration(0)
			tr.SetEager(0, true)
			for written := int64(0); tr.Received() < int64(b.N)*netem.MSS; {
				if room := min(int64(tr.Room()), int64(b.N)*netem.MSS-written); room > 0 {
					tr.Write(now, int(room))
					written += room
				}
				now = tr.Next()
				tr.Advance(now)
			}
		})
	}
}

// When the latency of a path drops to zero while segments are in flight,
// nothing is sent repeatedly at one instant.
func TestTransferWhenTheLatencyDropsToZero(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 5))
		data, acks := newPipe(netem.Link{Latency: 50 * time.Millisecond}, 1), newPipe(netem.Link{Latency: 50 * time.Millisecond}, 2)
		tr := netem.NewTransfer(netem.TCP{}, 0, 100*time.Millisecond, data, acks)
		tr.SetMTU(100 + random.IntN(1400))
		tr.SetEager(0, true)
		now, written := time.Duration(0), 0
		write := func() {
			n := min(tr.Room(), 1+random.IntN(30_000))
			tr.Write(now, n)
			written += n
		}
		for step := range 40 {
			now += time.Duration(random.IntN(20)) * time.Millisecond
			tr.Advance(now)
			write()
			if step%4 == 3 {
				latency := time.Duration(random.IntN(3)) * 25 * time.Millisecond
				data.line.SetLink(netem.Link{Latency: latency})
				acks.line.SetLink(netem.Link{Latency: latency})
				write()
			}
		}
		for next := tr.Next(); next != netem.Never; next = tr.Next() {
			now = next
			tr.Advance(now)
		}
		require.EqualValues(t, written, tr.Received(), seed)
	}
}

// A lossyPipe loses segments.
type lossyPipe struct {
	*pipe
	loses func(now time.Duration) bool
}

func (p *lossyPipe) Send(now time.Duration, s *netem.Segment) netem.Fate {
	if p.loses(now) {
		return netem.Fate{}
	}
	return p.pipe.Send(now, s)
}

// An end that gets no answer to its SYN-ACK gives up after 63 s, as on Linux.
// Segments that arrive later are answered with a reset.
func TestTransferIsResetAfterTheHandshakeWasGivenUp(t *testing.T) {
	link := netem.Link{Latency: oneWay}
	for until, want := range map[time.Duration]netem.Failure{
		30 * time.Second: netem.NotFailed,
		2 * time.Minute:  netem.Reset,
		time.Hour:        netem.TimedOut,
	} {
		data := &lossyPipe{newPipe(link, 1), func(now time.Duration) bool { return now > 0 && now < until }}
		tr := netem.DialTransfer(netem.TCP{}, data, newPipe(link, 2))
		tr.SetEager(0, true)
		tr.Dial(0)
		written := false
		for at := tr.Next(); at != netem.Never; at = tr.Next() {
			tr.Advance(at)
			if tr.State() == netem.Established && !written {
				assert.Equal(t, 2*oneWay, at)
				tr.Write(at, 100)
				written = true
			}
		}
		assert.Equal(t, want, tr.Failure(), until)
		if want == netem.NotFailed {
			assert.EqualValues(t, 100, tr.Received())
		}
	}
}

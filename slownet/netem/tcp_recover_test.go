package netem_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A recordingPipe records the segments that it carries.
type recordingPipe struct {
	*pipe
	segments *[]sentAt
}

type sentAt struct {
	at      time.Duration
	segment netem.Segment
}

func (p recordingPipe) Send(now time.Duration, s *netem.Segment) netem.Fate {
	*p.segments = append(*p.segments, sentAt{now, *s})
	return p.pipe.Send(now, s)
}

// Acknowledgements that arrive in order are processed by a short cut. It makes no
// difference, whatever the links do and however the application writes and reads.
func TestInOrderAcknowledgementsMakeNoDifference(t *testing.T) {
	completed := 0
	transfer := func(seed uint64) (segments []sentAt) {
		r := rand.New(rand.NewPCG(seed, 1))
		link := func() netem.Link {
			l := randomLink(r)
			switch seed % 4 {
			case 0: // nothing is lost
				return netem.Link{Latency: l.Latency}
			case 1: // much is lost
				l.Loss.Random = 0.5 * r.Float64()
			}
			return l
		}
		there := recordingPipe{newPipe(link(), seed), &segments}
		back := recordingPipe{newPipe(link(), ^seed), &segments}
		tcp := netem.TCP{Congestion: netem.Congestion(1 + r.IntN(2))}
		tr := netem.DialTransfer(tcp, there, back)
		tr.SetEager(0, r.IntN(4) > 0)
		tr.Dial(0)
		var now time.Duration
		for range 1 + r.IntN(60) {
			if r.IntN(10) == 0 {
				tr.SetMTU(500 + r.IntN(2000))
			}
			tr.Write(now, 1+r.IntN(1<<r.IntN(20)))
			until := now + time.Duration(r.IntN(1<<r.IntN(31)))
			for next := tr.Next(); next <= until; next = tr.Next() {
				now = next
				tr.Advance(now)
				if r.IntN(3) == 0 {
					tr.Take(now, tr.Received())
				}
			}
			now = until
		}
		tr.CloseWrite(now)
		for step := 0; step < 10_000 && tr.State() != netem.FinWait2 && tr.Next() != netem.Never; step++ {
			now = tr.Next()
			tr.Advance(now)
			tr.Take(now, tr.Received())
		}
		if tr.State() == netem.FinWait2 {
			require.Zero(t, tr.Repeated(), "seed %d: everything is acknowledged", seed)
			completed++
		}
		return segments
	}
	for seed := range uint64(tier.Count(600, 20_000)) {
		short := transfer(seed)
		restore := netem.ProcessInFull()
		full := transfer(seed)
		restore()
		require.Equal(t, full, short, "seed %d", seed)
	}
	assert.NotZero(t, completed)
}

// When a recovery begins while segments that the one before has retransmitted are still in
// flight, their arrival is no sign that nothing was lost. On these paths nothing is
// reordered, so no recovery is undone.
func TestARecoveryAfterAnotherIsNotUndone(t *testing.T) {
	const body = 15_000_000
	recoveries := 0
	for seed := range uint64(12) {
		link := netem.Link{Latency: 100 * time.Millisecond, Rate: 10 * netem.Mbps, Loss: netem.Loss{Random: 0.01}}
		back := netem.Link{Latency: 100 * time.Millisecond}
		p := newPath(netem.TCP{}, netem.NewPacketFlow(link, seed), netem.NewPacketFlow(back, 0))
		sender := p.ends[0].end
		p.write(0, body)
		for wasRecovering := false; p.ends[1].arrived < body && p.step(); wasRecovering = sender.IsRecovering() {
			if wasRecovering && !sender.IsRecovering() {
				recoveries++
				require.False(t, sender.IsUndone(), "seed %d, at %v", seed, p.now)
			}
		}
		require.EqualValues(t, body, p.ends[1].arrived)
	}
	assert.Greater(t, recoveries, 100)
}

// A sendingEnd is an end that sends to a peer whose acknowledgements a test makes up. The
// round trip is 100 ms.
type sendingEnd struct {
	*netem.End
	t       *testing.T
	now     time.Duration
	highest int64   // next byte to be sent for the first time
	resent  []int64 // numbers of the segments that were retransmitted
}

const (
	peerWindow    = 1 << 20
	peerRoundTrip = 100 * time.Millisecond
)

// newSendingEnd returns an end that has sent its first window, of ten segments, at 100 ms.
func newSendingEnd(t *testing.T) *sendingEnd {
	e := &sendingEnd{End: netem.Dial(netem.TCP{}, 0), t: t}
	e.output()
	e.now = peerRoundTrip
	e.Input(e.now, &netem.Segment{Flags: netem.SYN | netem.ACK, Window: peerWindow})
	e.Write(e.now, 100*netem.MSS)
	e.output()
	require.EqualValues(t, 10*netem.MSS, e.highest)
	return e
}

func (e *sendingEnd) output() {
	for s, ok := e.Output(e.now); ok; s, ok = e.Output(e.now) {
		if s.Len > 0 && s.Seq < e.highest {
			e.resent = append(e.resent, s.Seq/netem.MSS)
		}
		e.highest = max(e.highest, s.Seq+int64(s.Len))
	}
}

// acknowledge makes an acknowledgement arrive. All sequence numbers are those of segments.
func (e *sendingEnd) acknowledge(ms time.Duration, ack int64, blocks ...netem.Block) {
	e.now = ms * time.Millisecond
	require.Less(e.t, e.now, e.Next(), "no timer has expired")
	s := netem.Segment{Flags: netem.ACK, Ack: ack * netem.MSS, Window: peerWindow, TSEcr: e.now - peerRoundTrip, SACKs: len(blocks)}
	for i, b := range blocks {
		s.SACK[i] = netem.Block{Start: b.Start * netem.MSS, End: b.End * netem.MSS}
	}
	e.Input(e.now, &s)
	e.output()
}

// A recovery is undone when all of its retransmissions are reported as duplicates: nothing
// was lost.
func TestARecoveryIsUndoneByDuplicates(t *testing.T) {
	type block = netem.Block
	end := newSendingEnd(t)
	end.acknowledge(200, 0, block{2, 3})
	require.Empty(t, end.resent)
	end.acknowledge(201, 0, block{2, 10}) // until segment 10 is acknowledged
	require.Equal(t, []int64{0, 1}, end.resent)
	end.acknowledge(301, 10, block{0, 1})
	require.True(t, end.IsRecovering())
	end.acknowledge(302, 10, block{1, 2})
	require.True(t, end.IsUndone())
	require.False(t, end.IsRecovering())
}

// A recovery that begins while two retransmissions of the one before are in flight is
// undone when both are reported as duplicates. If it has retransmitted a third segment,
// that one has to be a duplicate too.
func TestDuplicatesOfEarlierRetransmissions(t *testing.T) {
	type block = netem.Block
	for _, isThirdResent := range []bool{false, true} {
		end := newSendingEnd(t)
		end.acknowledge(200, 0, block{1, 10}) // the first recovery: until segment 10 is acknowledged
		end.acknowledge(301, 0, block{12, 14}, block{1, 10})
		resent := []int64{0, 0, 10, 11}
		require.Equal(t, resent, end.resent)
		var above []block // of 14
		if isThirdResent {
			above = []block{{15, 16}}
			resent = append(resent, 14)
		}
		end.acknowledge(302, 10, append(above, block{12, 14})...) // the second recovery begins
		require.Equal(t, resent, end.resent)

		end.acknowledge(303, 14, above...) // 10 and 11 were late
		require.True(t, end.IsRecovering())
		end.acknowledge(401, 14, append([]block{{10, 11}}, above...)...)
		require.False(t, end.IsUndone())
		end.acknowledge(402, 14, append([]block{{11, 12}}, above...)...)
		require.Equal(t, isThirdResent, !end.IsUndone())
		if isThirdResent {
			end.acknowledge(403, 16)
			require.True(t, end.IsRecovering())
			end.acknowledge(404, 16, block{14, 15})
			require.True(t, end.IsUndone())
		}
		require.False(t, end.IsRecovering())
	}
}

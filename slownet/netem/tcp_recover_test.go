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

package netem_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// extremeLink returns an extreme link. If it is passable, TCP can transfer
// everything.
func extremeLink(r *rand.Rand, passable bool) netem.Link {
	pick := func(values ...int64) int64 { return values[r.IntN(len(values))] }
	link := netem.Link{
		Latency: time.Duration(pick(0, 0, 0, 1, 1000, int64(time.Millisecond), int64(10*time.Second))),
		Rate:    netem.Rate(pick(0, 0, 0, 1, 100, 10_000, 1<<40, 1<<62)),
		MTU:     int(pick(0, 0, 0, 1, 53, 576, 9000, 1<<30)),
		Queue: netem.Queue{
			Bytes:        int(min(pick(0, 0, 0, 1, 52, 1500, 3000, 1<<40), math.MaxInt)),
			Packets:      int(pick(0, 0, 0, 1, 2)),
			Discipline:   netem.Discipline(r.IntN(3)),
			CountDelayed: r.IntN(3) == 0,
		},
	}
	if r.IntN(2) == 0 {
		link.Loss.Random = r.Float64() / 2
	}
	if r.IntN(4) == 0 {
		link.Jitter.Deviation = time.Duration(pick(1, 1000, int64(time.Second)))
	}
	if r.IntN(4) == 0 {
		link.Duplicate.Probability = 0.5
	}
	if r.IntN(4) == 0 {
		link.Reorder.Probability = 0.5
	}
	if passable {
		link.Latency = min(link.Latency, time.Second)
		link.Loss.Random *= 0.6
		if link.Rate > 0 {
			link.Rate = max(link.Rate, 10*netem.Kbps)
		}
		if link.MTU > 0 {
			link.MTU = max(link.MTU, 576)
		}
		if link.Queue.Bytes > 0 {
			link.Queue.Bytes = max(link.Queue.Bytes, 1500)
		}
	}
	return link
}

// A waitingPipe is a pipe for a transfer, over a line on which packets may wait.
type waitingPipe struct {
	*pipe
	transfer *netem.Transfer
	isData   bool
}

func (p *waitingPipe) Send(now time.Duration, s *netem.Segment) netem.Fate {
	p.id.Number++
	segment := *s
	return p.line.Send(now, s.Size(), p.id, &segment)
}

// step tells the transfer the fates of packets that have waited.
func (p *waitingPipe) step(now time.Duration) {
	for d, ok := p.line.Step(now); ok; d, ok = p.line.Step(now) {
		if segment := d.Tag.(*netem.Segment); d.Drop == netem.NotDropped {
			p.transfer.Arrive(d.Arrive, segment, p.isData)
		}
	}
}

// On extreme links, with buffers of any size, a transfer ends: either all bytes
// arrive or TCP gives up. It never hangs, nor loops at one instant.
func TestTransfersOverExtremeLinks(t *testing.T) {
	for seed := range uint64(tier.Count(100, 20_000)) {
		r := rand.New(rand.NewPCG(seed, 9))
		passable := r.IntN(2) == 0
		links := [2]netem.Link{extremeLink(r, passable), extremeLink(r, passable)}
		tcp := netem.TCP{Congestion: netem.Congestion(1 + r.IntN(2))}
		if r.IntN(2) == 0 {
			tcp.Window = 1 + r.IntN(1<<r.IntN(20))
		}
		if !passable && r.IntN(2) == 0 {
			tcp.UserTimeout = 1 + time.Duration(r.Int64N(int64(time.Hour)))
		}
		n := 1 + r.IntN(1<<r.IntN(18))
		isLazy, isDialled := r.IntN(3) == 0, r.IntN(2) == 0
		what := fmt.Sprintf("seed %d: %d bytes, lazy %v, dialled %v, %+v over %+v", seed, n, isLazy, isDialled, tcp, links)

		pipes := [2]*waitingPipe{{pipe: newPipe(links[0], 2*seed), isData: true}, {pipe: newPipe(links[1], 2*seed+1)}}
		tr := netem.NewTransfer(tcp, 0, links[0].Latency+links[1].Latency, pipes[0], pipes[1])
		if isDialled {
			tr = netem.DialTransfer(tcp, pipes[0], pipes[1])
		}
		pipes[0].transfer, pipes[1].transfer = tr, tr
		if isDialled {
			tr.Dial(0)
		}
		tr.SetMTU(min(links[0].PacketSize(), links[1].PacketSize()))
		tr.SetEager(0, !isLazy)
		written, now := 0, time.Duration(0)
		for steps, atOnce := 0, 0; tr.Failure() == netem.NotFailed; steps, atOnce = steps+1, atOnce+1 {
			if room := min(tr.Room(), n-written); room > 0 && tr.State() != netem.SynSent {
				tr.Write(now, room)
				if written += room; written == n {
					tr.CloseWrite(now)
				}
			}
			if isLazy {
				tr.Take(now, tr.Received())
			}
			if tr.Ended() {
				break
			}
			next := min(tr.Next(), pipes[0].line.Next(), pipes[1].line.Next())
			require.NotEqual(t, netem.Never, next, "stuck at %v with %d bytes, %s", now, tr.Received(), what)
			require.Less(t, steps, 3_000_000, "busy forever at %v with %d bytes, %s", now, tr.Received(), what)
			require.Less(t, atOnce, 300_000, "time stands still at %v with %d bytes, %s", now, tr.Received(), what)
			if next > now {
				now, atOnce = next, 0
			}
			pipes[0].step(now)
			pipes[1].step(now)
			tr.Advance(now)
			require.LessOrEqual(t, tr.Received(), int64(written), what)
		}
		if passable || tr.Failure() == netem.NotFailed {
			require.EqualValues(t, n, tr.Received(), "%v at %v, %s", tr.Failure(), now, what)
		}
	}
}

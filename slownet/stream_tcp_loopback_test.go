package slownet_test

import (
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// BenchmarkTCP measures how much longer a transfer over TCP takes on loopback than in
// simulated time, while a reader waits: the median of nine runs.
func BenchmarkTCP(b *testing.B) {
	for _, c := range []struct {
		bytes int
		link  netem.Link
	}{
		{20_000, netem.Link{Latency: 10 * time.Millisecond, Rate: 10 * netem.Mbps}},
		{100_000, netem.Link{Latency: 50 * time.Millisecond, Rate: 100 * netem.Mbps}},
		{1_000_000, netem.Link{Latency: 50 * time.Millisecond, Rate: 100 * netem.Mbps}},
		{1_000_000, netem.Link{Latency: 10 * time.Millisecond, Rate: 10 * netem.Mbps}},
	} {
		for _, direction := range directions {
			b.Run(fmt.Sprintf("%v/%d/%v/%v", direction, c.bytes, c.link.Rate, 2*c.link.Latency), func(b *testing.B) {
				for b.Loop() {
					want := simulated(c.bytes, c.link)
					var took []time.Duration
					for range 9 {
						took = append(took, real(b, direction, c.bytes, c.link))
					}
					slices.Sort(took)
					b.ReportMetric(want.Seconds()*1e3, "ms-simulated")
					b.ReportMetric(float64(median(took)-want)/1e6, "ms-added")
				}
			})
		}
	}
}

var cubic = netem.TCP{Congestion: netem.CUBIC}

// real returns the time until written bytes have been read.
func real(b *testing.B, direction slownet.Direction, bytes int, link netem.Link) time.Duration {
	near, far := loopback(b, &slownet.Config{Read: link, Write: link, TCP: cubic})
	from, to := io.Writer(near), io.Reader(far)
	if direction == slownet.Read {
		from, to = far, near
	}
	start := time.Now()
	go func() { _, _ = from.Write(make([]byte, bytes)) }()
	_, err := io.ReadFull(to, make([]byte, bytes))
	require.NoError(b, err)
	took := time.Since(start)
	require.NoError(b, near.Close())
	require.NoError(b, far.Close())
	return took
}

// A line is a [netem.Pipe].
type line struct {
	*netem.Line
	id netem.PacketID
}

func (l *line) Send(now time.Duration, s *netem.Segment) netem.Fate {
	l.id.Number++
	return l.Line.Send(now, s.Size(), l.id, nil)
}

// simulated returns the simulated time until written bytes have been read.
func simulated(bytes int, link netem.Link) (now time.Duration) {
	transfer := netem.NewTransfer(cubic, 0, 2*link.Latency, &line{Line: netem.NewLine(link, 0)}, &line{Line: netem.NewLine(link, 1)})
	transfer.SetEager(0, true)
	for written := 0; transfer.Received() < int64(bytes); {
		if room := min(transfer.Room(), bytes-written); room > 0 {
			transfer.Write(now, room)
			written += room
		}
		now = transfer.Next()
		transfer.Advance(now)
	}
	return now
}

package bench

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// keep is for counting instructions, as with
//
//	go test -c && GOMAXPROCS=1 valgrind --tool=callgrind --callgrind-out-file=/dev/null \
//		./bench.test -test.run '^$' -test.bench 'Pieces$/conns=3$/by=ours' -test.benchtime 1x -pieces 120000 -keep -1
var keep = flag.Int("keep", 0, "how many of the last events ours keeps (simtest.Config.KeepEvents): 0 is the default, -1 is none")

// BenchmarkLastEvents belongs to question 1: how much processor time does a piece
// cost because the last events are kept for the report of a failure? %-more
// compares KeepEvents 0, the default, with -1. The two take turns, and the medians
// are compared, as single runs differ by more than that.
//
// Counted in instructions, which do not vary, it is 0.7 % with 3 connections, 0.8 %
// with 100, and 0.9 % with 1,000.
func BenchmarkLastEvents(b *testing.B) {
	for _, conns := range []int{3, 100, 1000} {
		b.Run(fmt.Sprintf("conns=%d/by=ours", conns), func(b *testing.B) {
			all := max(conns, quickOr(3000, *pieces/3))
			var kept, none []time.Duration
			for range quickOr(2, 11) {
				kept = append(kept, processorTime(b, func() { inTest(b, piecesOurs(b, conns, all, 0)) }))
				none = append(none, processorTime(b, func() { inTest(b, piecesOurs(b, conns, all, -1)) }))
			}
			reportPieces(b, median(kept), all)
			b.ReportMetric((float64(median(kept))/float64(median(none))-1)*100, "%-more")
		})
	}
}

// processorTime returns the processor time of the process for f.
func processorTime(b *testing.B, f func()) time.Duration {
	start := processorClock(b)
	f()
	return processorClock(b) - start
}

func processorClock(b *testing.B) time.Duration {
	var used unix.Timespec
	require.NoError(b, unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &used))
	return time.Duration(used.Nano())
}

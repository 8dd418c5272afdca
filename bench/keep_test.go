package bench

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// keep is for counting instructions, for example with
//
//	go test -c && GOMAXPROCS=1 valgrind --tool=callgrind --callgrind-out-file=/dev/null \
//		./bench.test -test.run '^$' -test.bench 'Pieces$/conns=3$/by=ours' -test.benchtime 1x -pieces 120000 -keep -1
var keep = flag.Int("keep", 0, "`number` of last events that simtest keeps (simtest.Config.KeepEvents): 0 is the default, -1 is none")

// BenchmarkLastEvents belongs to question 1: how much processor time per piece does
// it cost to keep the last events for a failure report? %-more compares KeepEvents
// 0, the default, with -1. Short runs with the two values alternate, and %-more is the
// median of the pairs' ratios, since single runs vary by more than the difference.
//
// Counted in instructions, which do not vary, the difference is 0.8 % with 3
// connections, 0.9 % with 100, and 1.2 % with 1,000.
func BenchmarkLastEvents(b *testing.B) {
	for _, conns := range []int{3, 100, 1000} {
		b.Run(fmt.Sprintf("conns=%d/by=ours", conns), func(b *testing.B) {
			all := max(conns, quickOr(3000, *pieces/10))
			var kept []time.Duration
			var ratios []float64
			for pair := range quickOr(2, 40) {
				times := [2]time.Duration{}
				for i := range times {
					which := (i + pair) % 2 // each is first in half of the pairs
					times[which] = processorTime(b, func() { inTest(b, piecesOurs(b, conns, all, -which)) })
				}
				kept = append(kept, times[0])
				ratios = append(ratios, float64(times[0])/float64(times[1]))
			}
			slices.Sort(ratios)
			reportPieces(b, median(kept), all)
			b.ReportMetric((ratios[len(ratios)/2]-1)*100, "%-more")
		})
	}
}

// processorTime returns the processor time that the process uses while f runs.
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

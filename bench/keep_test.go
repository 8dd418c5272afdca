package bench

import (
	"flag"
	"fmt"
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
// 0, the default, with -1. Runs with the two values alternate, and the medians are
// compared, since single runs vary by more than the difference.
//
// Counted in instructions, which do not vary, the difference is 0.7 % with 3
// connections, 0.8 % with 100, and 0.9 % with 1,000.
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

package bench

import (
	"flag"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// round is the number of the round. Odd rounds run the contenders in reverse order, so that
// it is not always the same contender that runs first.
var round = flag.Int("round", 0, "`number` of this round")

// pieces is the number of pieces in question 1. For a CPU profile use more, or
// connecting takes most of the time.
var pieces = flag.Int("pieces", 300_000, "`number` of pieces to move")

func TestMain(m *testing.M) {
	if upstream := os.Getenv(plainUpstream); upstream != "" {
		runPlain(upstream)
		return
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		stopToxiproxy()
		os.Exit(1)
	}()
	status := m.Run()
	stopToxiproxy()
	os.Exit(status)
}

// A contender is one of the implementations compared.
type contender struct {
	name string
	run  func(b *testing.B)
}

// sideBySide runs the contenders as sub-benchmarks, one after another, so that
// their results are printed together.
func sideBySide(b *testing.B, contenders ...contender) {
	contenders = slices.Clone(contenders)
	if *round%2 == 1 {
		slices.Reverse(contenders)
	}
	for _, c := range contenders {
		b.Run("by="+c.name, c.run)
	}
}

// quickOr returns the amount of work: all or, with -short, quick, which is enough to check
// that the benchmark works.
func quickOr(quick, all int) int {
	if testing.Short() {
		return quick
	}
	return all
}

// inTest runs f as a test: a bubble needs a *testing.T, which a benchmark does not
// have.
func inTest(b *testing.B, f func(t *testing.T)) {
	b.Helper()
	ok := testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: b.Name(), F: f}})
	if !ok {
		b.Fatal("the test failed")
	}
}

// A stopwatch measures real time, even in a bubble, where package time does not.
type stopwatch time.Duration

func startWatch() stopwatch {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		panic(err)
	}
	return stopwatch(now.Nano())
}

// elapsed returns the real time since the start.
func (w stopwatch) elapsed() time.Duration { return time.Duration(startWatch() - w) }

func median(all []time.Duration) time.Duration { return quantile(all, 50) }

// quantile returns the given percentile of durations.
func quantile(all []time.Duration, percent int) time.Duration {
	all = slices.Sorted(slices.Values(all))
	return all[(len(all)-1)*percent/100]
}

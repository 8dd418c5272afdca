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

// round is which of several rounds this is. Odd ones go in the reverse order,
// so that whoever comes first is not always the same.
var round = flag.Int("round", 0, "which of several `rounds` this is")

// pieces is how many pieces question 1 moves. A profile wants more, or it is
// mostly of connecting.
var pieces = flag.Int("pieces", 300_000, "move so `many` pieces")

func TestMain(m *testing.M) {
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

// A contender is one of those who are compared.
type contender struct {
	name string
	run  func(b *testing.B)
}

// sideBySide runs contenders one after another.
func sideBySide(b *testing.B, contenders ...contender) {
	contenders = slices.Clone(contenders)
	if *round%2 == 1 {
		slices.Reverse(contenders)
	}
	for _, c := range contenders {
		b.Run("by="+c.name, c.run)
	}
}

// quickOr returns how much to do: all of it, or with -short only so much that
// one sees that it works.
func quickOr(quick, all int) int {
	if testing.Short() {
		return quick
	}
	return all
}

// inTest runs f in a test: a bubble needs one, and a benchmark is none.
func inTest(b *testing.B, f func(t *testing.T)) {
	b.Helper()
	ok := testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: b.Name(), F: f}})
	if !ok {
		b.Fatal("it failed")
	}
}

// A stopwatch measures real time, in bubbles too, where package time does not.
type stopwatch time.Duration

func startWatch() stopwatch {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		panic(err)
	}
	return stopwatch(now.Nano())
}

// elapsed returns how much real time has passed since the start.
func (w stopwatch) elapsed() time.Duration { return time.Duration(startWatch() - w) }

func median(all []time.Duration) time.Duration { return quantile(all, 50) }

// quantile returns the duration that so many percent are not above.
func quantile(all []time.Duration, percent int) time.Duration {
	all = slices.Sorted(slices.Values(all))
	return all[(len(all)-1)*percent/100]
}

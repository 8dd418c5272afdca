package simtest_test

import (
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/tier"
)

// The benchmarks of searches measure whole searches, including the start of their
// processes. This command runs them with the counts of the published figures; without
// SIMTEST_LONG they use a tenth of the seeds:
//
//	SIMTEST_LONG=1 go test -run '^$' -bench Search -benchtime 1x ./simtest
//
// Each of them also reports the processor time per seed, of all processes of the
// search, which other programs affect less than real time.

// BenchmarkSearchPoetry measures a search through 1,000 seeds of the poetry experiment
// by two workers.
func BenchmarkSearchPoetry(b *testing.B) {
	seeds := tier.Count(100, 1_000)
	var all searchCost
	for b.Loop() {
		all.add(measureSearch(b, "poetry", seeds, 2))
	}
	b.ReportMetric(1_000*all.real.Seconds()/float64(all.seeds), "s/1000-seeds")
	all.report(b)
}

// BenchmarkSearchTwoWorkers measures the speed-up of two workers over one in the poetry
// experiment.
func BenchmarkSearchTwoWorkers(b *testing.B) {
	seeds := tier.Count(100, 1_000)
	var one, two searchCost
	for b.Loop() {
		one.add(measureSearch(b, "poetry", seeds, 1))
		two.add(measureSearch(b, "poetry", seeds, 2))
	}
	b.ReportMetric(one.real.Seconds()/two.real.Seconds(), "times-as-fast")
	two.report(b)
}

// BenchmarkSearchEmpty measures a search through 10,000 simulations that do nothing by
// two workers: the overhead of a search.
func BenchmarkSearchEmpty(b *testing.B) {
	seeds := tier.Count(1_000, 10_000)
	var all searchCost
	for b.Loop() {
		all.add(measureSearch(b, "empty", seeds, 2))
	}
	b.ReportMetric(float64(all.seeds)/all.real.Minutes(), "seeds/min")
	all.report(b)
}

// A searchCost is the cost of searches.
type searchCost struct {
	seeds      int
	real       time.Duration
	processors time.Duration
}

func (c *searchCost) add(more searchCost) {
	c.seeds += more.seeds
	c.real += more.real
	c.processors += more.processors
}

// report reports the figures that all benchmarks have.
func (c *searchCost) report(b *testing.B) {
	b.ReportMetric(0, "ns/op") // meaningless for a search of many seeds
	b.ReportMetric(float64(c.processors.Microseconds())/float64(c.seeds), "cpu-µs/seed")
}

// measureSearch runs a search of a TestSearched program in a separate process.
func measureSearch(b *testing.B, program string, seeds, workers int) searchCost {
	b.Helper()
	command := searchCommand(b, program, b.TempDir())
	command.Env = append(command.Env, fmt.Sprint("GOMAXPROCS=", workers), fmt.Sprint("SIMTEST_SEEDS=", seeds))
	start := time.Now()
	output, err := command.CombinedOutput()
	took := time.Since(start)
	if err != nil {
		b.Fatalf("%v\n%s", err, output)
	}
	return searchCost{seeds, took, processorsTime(command)}
}

// processorsTime returns the processor time of a command, including its children that
// have ended.
func processorsTime(command *exec.Cmd) time.Duration {
	return command.ProcessState.UserTime() + command.ProcessState.SystemTime()
}

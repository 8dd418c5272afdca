package simtest_test

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkSearch measures seeds, of which there are b.N, with one worker process
// and with two: of an empty simulation and of the poetry experiment. To start the
// processes is part of it, so let it run many: -benchtime 1000x.
func BenchmarkSearch(b *testing.B) {
	for _, program := range []string{"empty", "poetry"} {
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/workers=%d", program, workers), func(b *testing.B) {
				command := searchCommand(b, program, b.TempDir())
				command.Env = append(command.Env, fmt.Sprint("GOMAXPROCS=", workers), fmt.Sprint("SIMTEST_SEEDS=", b.N))
				start := time.Now()
				if output, err := command.CombinedOutput(); err != nil {
					b.Fatalf("%v\n%s", err, output)
				}
				b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "seeds/s")
			})
		}
	}
}

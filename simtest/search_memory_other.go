//go:build !linux

package simtest

import (
	"os"
	"runtime/metrics"
	"time"
)

// residentMemory returns 0: it cannot be told of another process.
func residentMemory(int) int64 { return 0 }

// watchOwnMemory ends the process when it has more than so many bytes of memory in
// use, with a dump of its goroutines. What is not Go's does not count.
func watchOwnMemory(limit int64) {
	go func() {
		samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
		for {
			time.Sleep(lookAtMemoryEvery)
			metrics.Read(samples)
			if used := int64(samples[0].Value.Uint64() - samples[1].Value.Uint64()); used > limit {
				_, _ = os.Stderr.WriteString("fatal error: " + tooMuchMemory(used, limit) + "\n" + dumpBubbles(dumpAll()))
				os.Exit(1)
			}
		}
	}()
}

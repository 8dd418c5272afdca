//go:build !linux

package simtest

import (
	"os"
	"runtime/metrics"
	"time"
)

// residentMemory returns 0: for another process it is unknown.
func residentMemory(int) int64 { return 0 }

// watchOwnMemory ends the process, with a dump of its goroutines, when it uses more
// memory than the limit. Only Go's memory counts.
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

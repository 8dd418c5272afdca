//go:build !linux

package simtest

import "time"

// processorWaits tells how long a process has waited for processors.
type processorWaits struct{ pid int }

// since returns 0: it cannot be told of another process.
func (w *processorWaits) since() time.Duration { return 0 }

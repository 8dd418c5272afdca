//go:build !linux

package simtest

import "time"

// processorWaits measures how long a process has waited for processors.
type processorWaits struct{ pid int }

// since returns 0: for another process it is unknown.
func (w *processorWaits) since() time.Duration { return 0 }

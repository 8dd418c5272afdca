//go:build !linux

package simtest

import "time"

// processorWaits measures the time that a process has waited for processors.
type processorWaits struct{ pid int }

// since returns 0: the time of another process is unknown.
func (w *processorWaits) since() time.Duration { return 0 }

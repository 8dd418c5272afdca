//go:build !linux

package precise

import "time"

// CanSleep reports whether Sleep is more precise than time.Sleep. The runtime's
// timers are precise here.
const CanSleep = false

func sleepPrecisely(d time.Duration) { time.Sleep(d) }

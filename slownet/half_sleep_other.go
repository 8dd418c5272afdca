//go:build !linux

package slownet

import "time"

// The runtime's timers are precise here.
const canSleepPrecisely = false

func sleepPrecisely(d time.Duration) { time.Sleep(d) }

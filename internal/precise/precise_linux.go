package precise

import (
	"syscall"
	"time"
)

// CanSleep reports whether Sleep is more precise than time.Sleep.
const CanSleep = true

// sleepPrecisely sleeps in the operating system, with a resolution of microseconds.
func sleepPrecisely(d time.Duration) {
	if d <= 0 {
		return
	}
	t := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&t, nil) // a signal may cut it short; callers check again
}

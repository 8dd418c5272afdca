package simtest

import (
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// An interrupt catches Ctrl-C and the termination signal while a search runs.
type interrupt struct {
	signals chan os.Signal
}

// interruptible is the number of searches in the process that catch signals.
var interruptible atomic.Int64

// catchInterrupt routes signals to the interrupt until release is called.
func catchInterrupt() *interrupt {
	i := &interrupt{signals: make(chan os.Signal, 1)}
	interruptible.Add(1)
	signal.Notify(i.signals, os.Interrupt, syscall.SIGTERM)
	return i
}

// release stops catching signals.
func (i *interrupt) release() {
	signal.Stop(i.signals)
	interruptible.Add(-1)
}

// end ends the process by the signal, as if it had not been caught, once the last
// running search has reported, or after a second. It does not return.
func (i *interrupt) end(sig os.Signal) {
	i.release()
	for deadline := time.Now().Add(time.Second); interruptible.Load() > 0 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	raise(sig)
	os.Exit(1)
}

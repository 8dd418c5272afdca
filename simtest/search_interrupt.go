package simtest

import (
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// An interrupt catches Ctrl-C and the request to end, while a search runs.
type interrupt struct {
	signals chan os.Signal
}

// interruptible is how many searches of the process catch signals.
var interruptible atomic.Int64

// catchInterrupt has signals sent to the interrupt, until release is called.
func catchInterrupt() *interrupt {
	i := &interrupt{signals: make(chan os.Signal, 1)}
	interruptible.Add(1)
	signal.Notify(i.signals, os.Interrupt, syscall.SIGTERM)
	return i
}

// release leaves signals as they were.
func (i *interrupt) release() {
	signal.Stop(i.signals)
	interruptible.Add(-1)
}

// end ends the process by the signal, as if nobody had caught it, when the last of
// the searches that run has said what it has found. It does not return, unless
// the program catches the signal itself.
func (i *interrupt) end(sig os.Signal) {
	i.release()
	for deadline := time.Now().Add(time.Second); interruptible.Load() > 0 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	raise(sig)
	os.Exit(1)
}

package main

import (
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// passedOn are the signals that the first process passes on to the command.
var passedOn = []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2}

// notify returns a channel that receives those signals, except signals that were already
// ignored when the process started, as with nohup.
func notify() <-chan os.Signal {
	signals := make(chan os.Signal, 16)
	for _, s := range passedOn {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	return signals
}

// A signal that a terminal or kill(1) sends to the whole process group reaches the command
// directly, as well as both processes of slownet-run. A signal that only the first process
// received must be passed on. To distinguish the two cases, the second process waits a
// moment for the same signal. Signals are not counted: several may arrive as one. So a
// signal that only the first process received is not passed on if the group received the
// same signal just before.
const (
	moment  = 50 * time.Millisecond
	justNow = time.Second
)

// received are the signals that the second process has received.
type received struct {
	mu     sync.Mutex              // guards the fields below
	last   map[os.Signal]time.Time // time at which the second process last received each signal
	latest time.Time               // time at which either process last received any signal
}

// newReceived starts recording the signals that the process receives.
func newReceived() *received {
	r := &received{last: map[os.Signal]time.Time{}}
	signals := notify()
	go func() {
		for s := range signals {
			r.mu.Lock()
			r.last[s] = time.Now()
			r.latest = time.Now()
			r.mu.Unlock()
		}
	}()
	return r
}

// sendAgain calls send for each signal that was received before the command started.
func (r *received) sendAgain(send func(unix.Signal)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range r.last {
		send(s.(unix.Signal))
	}
}

// anySince reports whether a signal was received after t.
func (r *received) anySince(t time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.latest.After(t)
}

// pass calls send after a moment, unless the second process has received the same signal.
// On a busy machine that process may receive it late, so pass waits while the kernel reports
// that the signal is pending.
func (r *received) pass(s unix.Signal, send func()) {
	r.mu.Lock()
	r.latest = time.Now()
	r.mu.Unlock()
	moments := 0
	var look func()
	look = func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		switch moments++; {
		case time.Since(r.last[s]) < justNow:
		case moments < 2 || isPending(s):
			time.AfterFunc(moment, look)
		default:
			send()
		}
	}
	time.AfterFunc(moment, look)
}

// isPending reports whether a signal is pending for this process.
func isPending(s unix.Signal) bool {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(status)) {
		if mask, ok := strings.CutPrefix(line, "ShdPnd:"); ok {
			bits, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
			return err == nil && bits&(1<<(s-1)) != 0
		}
	}
	return false
}

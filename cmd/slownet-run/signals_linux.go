package main

import (
	"os"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// passedOn are the signals that the first process passes on to the command.
var passedOn = []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2}

// notify returns a channel that gets those of the signals that are not ignored since the
// process's start, as by nohup.
func notify() <-chan os.Signal {
	signals := make(chan os.Signal, 16)
	for _, s := range passedOn {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	return signals
}

// A signal that a terminal or kill(1) sends to the whole process group reaches the
// command by itself, and both our processes, too. One that only the first process got is
// passed on. So the second process waits a moment to see whether it gets it, too.
const (
	moment  = 30 * time.Millisecond
	justNow = 200 * time.Millisecond
)

// received are the signals that the second process got and has not matched yet with one
// of the first's.
type received struct {
	mu     sync.Mutex // guards what follows
	count  map[os.Signal]int
	last   map[os.Signal]time.Time
	latest time.Time // of the second process, or the first
}

// newReceived returns the signals that are received from now on.
func newReceived() *received {
	r := &received{count: map[os.Signal]int{}, last: map[os.Signal]time.Time{}}
	signals := notify()
	go func() {
		for s := range signals {
			r.mu.Lock()
			if time.Since(r.last[s]) > justNow {
				r.count[s] = 0
			}
			r.count[s]++
			r.last[s] = time.Now()
			r.latest = time.Now()
			r.mu.Unlock()
		}
	}()
	return r
}

// sendAgain calls a function for each signal that was received before there was a
// command to get it.
func (r *received) sendAgain(send func(unix.Signal)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range r.count {
		send(s.(unix.Signal))
	}
}

// anySince reports whether there was a signal since a time.
func (r *received) anySince(t time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.latest.After(t)
}

// pass calls a function in a moment, unless the signal was sent to the second process,
// too.
func (r *received) pass(s unix.Signal, send func()) {
	time.AfterFunc(moment, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.latest = time.Now()
		if r.count[s] > 0 && time.Since(r.last[s]) < justNow {
			r.count[s]--
			return
		}
		send()
	})
}

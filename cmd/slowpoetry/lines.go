package main

import (
	"fmt"
	"io"
	"sync"
)

// lines prints lines without ever keeping those waiting who have something to
// say: the clients are served even if nobody reads what is printed.
type lines struct {
	out   io.Writer
	queue chan string
	done  chan struct{} // closed when all is printed

	mu      sync.Mutex // guards dropped, and the closing of queue
	dropped int        // since a line was queued last
	closed  bool
}

// maxLines is how many lines may wait to be printed; more are dropped.
const maxLines = 1 << 16

func newLines(out io.Writer) *lines {
	l := &lines{out: out, queue: make(chan string, maxLines), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for line := range l.queue {
			fmt.Fprintln(l.out, line) // an error means that nobody is there to be told
		}
	}()
	return l
}

// print queues a line.
func (l *lines) print(line any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	text := fmt.Sprint(line)
	switch {
	case l.dropped == 1:
		text = "(1 line was dropped, as nobody read it)\n" + text
	case l.dropped > 1:
		text = fmt.Sprintf("(%d lines were dropped, as nobody read them)\n%s", l.dropped, text)
	}
	select {
	case l.queue <- text:
		l.dropped = 0
	default:
		l.dropped++
	}
}

// close returns a channel that is closed when all lines are printed. What comes
// later is not printed.
func (l *lines) close() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.queue)
	}
	return l.done
}

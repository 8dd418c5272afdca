package eventlog

import (
	"io"
	"sync"
)

// A queue writes lines without ever blocking the goroutines that add them:
// clients are served even if nothing reads the log.
type queue struct {
	out   io.Writer
	lines chan string
	done  chan struct{} // closed when all is written

	// told returns the line that reports the number of dropped lines.
	told func(dropped int) string

	mu      sync.Mutex // guards dropped, and the closing of lines
	dropped int        // since the last line was queued
	closed  bool
}

// maxLines is the number of lines that may wait to be written; further ones are dropped.
const maxLines = 1 << 16

func newQueue(out io.Writer, told func(dropped int) string) *queue {
	q := &queue{out: out, lines: make(chan string, maxLines), done: make(chan struct{}), told: told}
	go func() {
		defer close(q.done)
		for line := range q.lines {
			_, _ = io.WriteString(q.out, line) // an error means that nothing reads the log
		}
	}()
	return q
}

// add queues a line, with its newline.
func (q *queue) add(line string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	if q.dropped > 0 {
		line = q.told(q.dropped) + line
	}
	select {
	case q.lines <- line:
		q.dropped = 0
	default:
		q.dropped++
	}
}

// close returns a channel that is closed when all lines are written. Later
// lines are ignored.
func (q *queue) close() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.lines)
	}
	return q.done
}

package eventlog

import (
	"io"
	"sync"
)

// A queue writes lines without ever blocking those who add them: the clients are
// served even if nobody reads what is printed.
type queue struct {
	out   io.Writer
	lines chan string
	done  chan struct{} // closed when all is written

	// told returns the line that tells how many were dropped.
	told func(dropped int) string

	mu      sync.Mutex // guards dropped, and the closing of lines
	dropped int        // since a line was queued last
	closed  bool
}

// maxLines is how many lines may wait to be written; more are dropped.
const maxLines = 1 << 16

func newQueue(out io.Writer, told func(dropped int) string) *queue {
	q := &queue{out: out, lines: make(chan string, maxLines), done: make(chan struct{}), told: told}
	go func() {
		defer close(q.done)
		for line := range q.lines {
			_, _ = io.WriteString(q.out, line) // an error means that nobody is there to be told
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

// close returns a channel that is closed when all lines are written. What comes
// later is not.
func (q *queue) close() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.lines)
	}
	return q.done
}

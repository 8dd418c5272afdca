package main

import (
	"bytes"
	"io"

	"github.com/slowpoetry/slowpoetry/internal/cli"
)

// A recital prints whole poems in the order of their tasks, each as soon as all
// before it are over. It never blocks its caller, even if no one reads its
// output. The nil recital prints none.
type recital struct {
	poems [][]byte // by task, from 0, while they wait; nil for none
	over  []bool   // by task: the poem is there, or there will be none
	next  int      // the task whose turn it is

	queue  chan []byte   // to print; its capacity is that of all poems
	done   chan struct{} // closed when all is printed
	failed error         // the first error of printing; to be read when done
}

// newRecital returns a recital of the poems of so many tasks. On a terminal
// control characters in a poem are made visible, and its last line is ended.
func newRecital(out io.Writer, terminal bool, tasks int) *recital {
	r := &recital{
		poems: make([][]byte, tasks),
		over:  make([]bool, tasks),
		queue: make(chan []byte, tasks),
		done:  make(chan struct{}),
	}
	go r.print(out, terminal)
	return r
}

// print prints what is queued: the bytes of each poem as they are, and a newline
// between two where the first does not end its last line.
func (r *recital) print(out io.Writer, terminal bool) {
	defer close(r.done)
	write := func(p []byte) {
		if terminal {
			p = []byte(cli.Visible(string(p)))
		}
		if r.failed == nil {
			_, r.failed = out.Write(p)
		}
	}
	open := false // the last line has not ended
	for poem := range r.queue {
		if open {
			write([]byte("\n"))
		}
		write(poem)
		open = !bytes.HasSuffix(poem, []byte("\n"))
	}
	if open && terminal {
		write([]byte("\n"))
	}
}

// put notes that a task, from 1, is done, with its poem, or nil if it has none.
func (r *recital) put(task int, poem []byte) {
	if r == nil {
		return
	}
	r.poems[task-1], r.over[task-1] = poem, true
	for ; r.next < len(r.over) && r.over[r.next]; r.next++ {
		if poem := r.poems[r.next]; poem != nil {
			r.queue <- poem
			r.poems[r.next] = nil
		}
	}
}

// end waits until all is printed, and returns the first error.
func (r *recital) end() error {
	if r == nil {
		return nil
	}
	close(r.queue)
	<-r.done
	return r.failed
}

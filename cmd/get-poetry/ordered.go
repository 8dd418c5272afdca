package main

import (
	"bytes"
	"io"

	"github.com/slowpoetry/slowpoetry/internal/cli"
)

// An orderedPrinter prints whole poems in the order of their tasks, each as soon as
// all tasks before it are over. It never blocks its caller, even if no one reads its
// output. A nil orderedPrinter prints none.
type orderedPrinter struct {
	poems [][]byte // by task, from 0: waiting to be printed; nil for none
	over  []bool   // by task: it has arrived or failed
	next  int      // the task whose turn it is

	queue  chan []byte   // to print; it has room for all poems
	done   chan struct{} // closed when all is printed
	failed error         // the first write error; read it after done
}

// newOrderedPrinter returns a printer for the poems of so many tasks. On a
// terminal it makes control characters visible and ends the last line.
func newOrderedPrinter(out io.Writer, terminal bool, tasks int) *orderedPrinter {
	r := &orderedPrinter{
		poems: make([][]byte, tasks),
		over:  make([]bool, tasks),
		queue: make(chan []byte, tasks),
		done:  make(chan struct{}),
	}
	go r.print(out, terminal)
	return r
}

// print prints the queued poems, unchanged, with a newline after a poem that does not
// end in one if another follows.
func (r *orderedPrinter) print(out io.Writer, terminal bool) {
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

// put passes the poem of a finished task, counted from 1, or nil if it has none.
func (r *orderedPrinter) put(task int, poem []byte) {
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
func (r *orderedPrinter) end() error {
	if r == nil {
		return nil
	}
	close(r.queue)
	<-r.done
	return r.failed
}

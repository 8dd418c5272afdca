package main

import (
	"bytes"
	"io"

	"github.com/slowpoetry/slowpoetry/internal/cli"
)

// An orderedPrinter prints whole poems in the order of their tasks, each as soon as
// all tasks before it have ended. It never blocks its caller, even if nothing reads
// its output. A nil orderedPrinter prints none.
type orderedPrinter struct {
	poems [][]byte // by task, from 0: waiting to be printed; nil for none
	over  []bool   // by task: the poem has arrived or failed
	next  int      // the next task to print

	queue  chan []byte   // poems to print; it has room for all of them
	done   chan struct{} // closed when everything is printed
	failed error         // the first write error; read it after done
}

// newOrderedPrinter returns a printer for the poems of n tasks. On a terminal
// it makes control characters visible and ends the last line.
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

// print prints the queued poems, unchanged. It adds a newline after a poem that does
// not end in one if another poem follows.
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

// end waits until everything is printed, and returns the first error.
func (r *orderedPrinter) end() error {
	if r == nil {
		return nil
	}
	close(r.queue)
	<-r.done
	return r.failed
}

package main

import (
	"errors"
	"io"
	"iter"
	"maps"
	"slices"
	"syscall"

	"github.com/slowpoetry/slowpoetry/clients"
	"github.com/slowpoetry/slowpoetry/internal/cli"
)

// poems are the destinations of the poems as they arrive.
type poems struct {
	dir     *outDir
	printer *orderedPrinter
	unsaved map[int]unsaved // by task
}

// unsaved is a poem that could not be saved.
type unsaved struct {
	poem []byte
	err  error
}

// newPoems returns the requested destinations. Poems that are printed on stdout
// are written to out, which differs from stdout only on a terminal.
func newPoems(o *options, stdout, out io.Writer) (*poems, error) {
	p := &poems{unsaved: map[int]unsaved{}}
	if o.out != "" {
		var err error
		if p.dir, err = newOutDir(o.out); err != nil {
			return nil, err
		}
	}
	if o.print {
		_, terminal := cli.TerminalOf(stdout)
		p.printer = newOrderedPrinter(out, terminal, len(o.addresses))
	}
	return p, nil
}

// after returns an observer that calls another one, and then takes the poem from the
// event.
func (p *poems) after(observer func(clients.TaskEvent)) func(clients.TaskEvent) {
	return func(e clients.TaskEvent) {
		observer(e)
		switch e.Kind {
		case clients.Arrived:
			p.save(e.Task, e.Poem)
			p.printer.put(e.Task, e.Poem)
		case clients.Failed:
			p.printer.put(e.Task, nil)
		}
	}
}

// save saves a poem, or records the error.
func (p *poems) save(task int, poem []byte) {
	delete(p.unsaved, task)
	if err := p.dir.put(task, poem); err != nil {
		p.unsaved[task] = unsaved{poem, err}
	}
}

// saveAgain retries poems that could not be saved for lack of file descriptors,
// after all connections have been closed.
func (p *poems) saveAgain() {
	for task, failed := range p.missing() {
		if errors.Is(failed.err, syscall.EMFILE) || errors.Is(failed.err, syscall.ENFILE) {
			p.save(task, failed.poem)
		}
	}
}

// missing returns the poems that could not be saved, in the order of their
// tasks.
func (p *poems) missing() iter.Seq2[int, unsaved] {
	return func(yield func(int, unsaved) bool) {
		for _, task := range slices.Sorted(maps.Keys(p.unsaved)) {
			if !yield(task, p.unsaved[task]) {
				return
			}
		}
	}
}

func (p *poems) close() { p.dir.close() }

package reactor

import (
	"context"
	"slices"
)

// AfterContext calls f on the loop when the context is done, unless stop is called
// or Run ends before. Functions that wait for the same context are called in the
// order of their AfterContext calls; the order of two contexts that end at the
// same instant is not defined. AfterContext and stop must be called on the loop,
// or before Run.
func (r *Reactor) AfterContext(ctx context.Context, f func()) (stop func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	e := &contextEnd{f}
	w := r.watchOf(ctx)
	w.ends = append(w.ends, e)
	return func() {
		e.f = nil
		if i := slices.Index(w.ends, e); i >= 0 {
			w.ends = slices.Delete(w.ends, i, i+1)
		}
		if len(w.ends) == 0 {
			w.stop()
			r.contexts = slices.DeleteFunc(r.contexts, func(other *contextWatch) bool { return other == w })
		}
	}
}

// A contextWatch waits for one context, and has the functions to call at its end.
type contextWatch struct {
	ctx  context.Context
	stop func() bool
	ends []*contextEnd // in order
}

type contextEnd struct {
	f func() // nil after stop
}

// watchOf returns the watch of a context, or the existing watch of a context
// with the same Done channel.
func (r *Reactor) watchOf(ctx context.Context) *contextWatch {
	for _, w := range r.contexts {
		if w.ctx.Done() == ctx.Done() {
			return w
		}
	}
	w := &contextWatch{ctx: ctx}
	w.stop = context.AfterFunc(ctx, func() { r.Call(r.endContexts) })
	r.contexts = append(r.contexts, w)
	return w
}

// endContexts calls the functions of the contexts that are done. It checks all
// contexts, so that the order does not depend on which goroutine woke the loop.
func (r *Reactor) endContexts() {
	for _, w := range slices.Clone(r.contexts) {
		if w.ctx.Err() == nil {
			continue
		}
		r.contexts = slices.DeleteFunc(r.contexts, func(other *contextWatch) bool { return other == w })
		ends := w.ends
		w.ends = nil
		for _, e := range ends {
			if e.f != nil {
				e.f()
			}
		}
	}
}

// clearContexts drops all watches.
func (r *Reactor) clearContexts() {
	for _, w := range r.contexts {
		w.stop()
	}
	r.contexts = nil
}

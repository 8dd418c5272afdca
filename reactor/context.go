package reactor

import (
	"context"
	"slices"
)

// AfterContext has f called on the loop when the context is done, unless stop
// is called or Run ends before. What waits for one context is called in the
// order in which it was set; which of two contexts ends first at one instant is
// left to chance. AfterContext is for the loop only, or for the time before Run,
// and so is stop.
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

// A contextWatch waits for one context, for all who want to know its end.
type contextWatch struct {
	ctx  context.Context
	stop func() bool
	ends []*contextEnd // in order
}

type contextEnd struct {
	f func() // nil when it was stopped
}

// watchOf returns the watch of a context, or of one that ends with it.
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

// endContexts calls what waits for the contexts that are done. It looks at all
// of them: which goroutine has woken the loop is left to chance.
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

// clearContexts forgets all watches.
func (r *Reactor) clearContexts() {
	for _, w := range r.contexts {
		w.stop()
	}
	r.contexts = nil
}

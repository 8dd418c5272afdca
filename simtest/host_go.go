package simtest

import "context"

// Go starts f in a goroutine of the host, as the go statement does. The context of f
// ends when the host crashes or is killed, or the simulation ends, with the cause
// [ErrCrashed], [ErrKilled] or [ErrEnded]; then f should return soon, as a program of
// [Host.Run] should, and it has [Config.Grace] for that at the end of the simulation. f
// does not run again when the host is restarted.
//
// f is always called exactly once. On a host that has crashed or was killed, and after
// the end of the simulation, the context has already ended and the network is down. A
// panic in f ends the process, as in any goroutine. Goroutines that f starts belong to
// the host too; Go is needed only for goroutines started elsewhere, by the test itself
// or by another host.
func (h *Host) Go(f func(ctx context.Context)) {
	if f == nil {
		panic("simtest: Host.Go needs a function to run")
	}
	h.sim.mu.Lock()
	defer h.sim.mu.Unlock()
	ctx := h.lifetimeLocked()
	h.sim.programs++
	h.sim.started(h.name, func() {
		defer h.sim.programReturned()
		f(ctx)
	})
}

// A lifetime is a context from the start of a host to its crash: the context of a
// program, or the one that all other goroutines of the host share.
type lifetime struct {
	ctx context.Context // nil before its start
	end context.CancelCauseFunc
}

// ending returns the end of the lifetime.
func (l lifetime) ending(cause error) ending {
	return ending{func() { l.end(cause) }, func() bool { return l.ctx.Err() == nil }}
}

// lifetimeLocked returns the context for functions that are passed to Go now. After the
// end it is a new one, since the old one's channel must not be used outside of the
// bubble.
func (h *Host) lifetimeLocked() context.Context {
	if h.lifetime.ctx == nil || h.sim.isOver() {
		h.lifetime.ctx, h.lifetime.end = context.WithCancelCause(h.sim.context(h.name))
		switch {
		case h.down:
			h.lifetime.end(ErrCrashed)
		case h.killed:
			h.lifetime.end(ErrKilled)
		case !h.sim.startsLocked():
			h.lifetime.end(ErrEnded)
		}
	}
	return h.lifetime.ctx
}

// stopProgramsLocked ends the contexts of programs one by one, and then the context of
// all other goroutines.
func (h *Host) stopProgramsLocked(cause error) {
	budget := stallStepBudget
	if cause == ErrEnded {
		budget = stallBudget
	}
	for _, l := range h.lifetimesLocked() {
		h.soonLocked(func() { h.sim.endLocked(l.ending(cause), budget) })
	}
}

// lifetimesLocked returns the contexts of the host's goroutines, in the order in which
// they end.
func (h *Host) lifetimesLocked() (lives []lifetime) {
	for _, p := range h.programs {
		if p.lifetime.ctx != nil {
			lives = append(lives, p.lifetime)
		}
	}
	if h.lifetime.ctx != nil {
		lives = append(lives, h.lifetime)
	}
	return lives
}

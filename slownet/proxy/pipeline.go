package proxy

import (
	"slices"
	"time"
)

// A pipeline is the stages that items pass one after another, and the items that
// have passed them all. Like a stage it has no clock and no lock.
type pipeline struct {
	stages []entry
	out    fifo
}

// An entry is a toxic in a pipeline, with its stage.
type entry struct {
	toxic *toxic
	stage stage
}

// hasRoom reports whether stage i can take more items; beyond the last stage are the
// items that have passed.
func (p *pipeline) hasRoom(i int) bool {
	if i < len(p.stages) {
		return p.stages[i].stage.hasRoom()
	}
	return p.out.size < smallRoom
}

// put puts an item in front of stage i.
func (p *pipeline) put(i int, now time.Duration, it item) {
	if i < len(p.stages) {
		p.stages[i].stage.push(now, it)
		return
	}
	p.out.push(it)
}

// advance moves due items from stage to stage, starting with the last stage.
func (p *pipeline) advance(now time.Duration) {
	for moved := true; moved; {
		moved = false
		for i := len(p.stages) - 1; i >= 0; i-- {
			for p.isDue(i, now) && p.hasRoom(i+1) {
				p.put(i+1, now, p.stages[i].stage.pop(now))
				moved = true
			}
		}
	}
}

func (p *pipeline) isDue(i int, now time.Duration) bool {
	at, ok := p.stages[i].stage.due()
	return ok && at <= now
}

// next returns the time, after now, at which the next item becomes due.
func (p *pipeline) next(now time.Duration) (next time.Duration, ok bool) {
	for _, e := range p.stages {
		if at, due := e.stage.due(); due && at > now && (!ok || at < next) {
			next, ok = at, true
		}
	}
	return next, ok
}

// nextAlarm returns the time at which a toxic next acts by itself, and its action.
func (p *pipeline) nextAlarm() (at time.Duration, what itemKind, ok bool) {
	for _, e := range p.stages {
		if a, is := e.stage.(alarming); is {
			if t, does, has := a.alarm(); has && (!ok || t < at) {
				at, what, ok = t, does, true
			}
		}
	}
	return at, what, ok
}

// A restaging describes a change of the stages.
type restaging struct {
	now       time.Duration
	toxics    []*toxic // in order
	number    uint64   // of the connection
	stream    Stream
	datagrams bool
}

// restage replaces the stages by the stages of the toxics that affect the connection,
// and reports whether anything changes. Stages that stay keep their items; items of
// removed stages move on. It also reports whether the removal of a toxic ends the
// connection.
func (p *pipeline) restage(r restaging) (changed, ends bool) {
	var room [8]*toxic
	wanted := r.wanted(room[:0])
	if p.isOf(wanted) {
		return false, false
	}
	old := p.stages
	p.stages = make([]entry, 0, len(wanted))
	for _, t := range wanted {
		e, stays := find(old, t)
		switch {
		case !stays:
			e.stage = t.newStage(r.now, r.number, r.stream, r.datagrams)
		case e.toxic != t:
			e.stage.change(r.now, t.Attributes)
		}
		e.toxic = t
		p.stages = append(p.stages, e)
	}
	next := len(p.stages)
	for i := len(old) - 1; i >= 0; i-- { // the last stage has the oldest items
		if at := p.index(old[i].toxic); at >= 0 {
			next = at
			continue
		}
		for _, it := range old[i].stage.takeAll() {
			p.put(next, r.now, it)
		}
		if _, is := old[i].stage.(ending); is {
			ends = true
		}
	}
	return true, ends
}

// wanted appends the toxics that are stages for the connection.
func (r *restaging) wanted(wanted []*toxic) []*toxic {
	for _, t := range r.toxics {
		if t.isStage() && t.affects(r.stream) && t.hits(r.number) {
			wanted = append(wanted, t)
		}
	}
	return wanted
}

// isOf reports whether the pipeline has exactly one stage for each of the toxics, in
// order.
func (p *pipeline) isOf(toxics []*toxic) bool {
	return slices.EqualFunc(p.stages, toxics, func(e entry, t *toxic) bool { return e.toxic == t })
}

// isEmpty reports whether the pipeline holds no item.
func (p *pipeline) isEmpty() bool {
	for _, e := range p.stages {
		if !e.stage.isEmpty() {
			return false
		}
	}
	return p.out.isEmpty()
}

func find(entries []entry, t *toxic) (entry, bool) {
	for _, e := range entries {
		if e.toxic.isSame(t) {
			return e, true
		}
	}
	return entry{}, false
}

// index returns the index of a toxic's stage, or -1.
func (p *pipeline) index(t *toxic) int {
	for i, e := range p.stages {
		if e.toxic.isSame(t) {
			return i
		}
	}
	return -1
}

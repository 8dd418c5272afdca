package reactor

// Kept returns how many dial queues and contexts a loop remembers.
func (r *Reactor) Kept() (queues, contexts int) { return len(r.dials), len(r.contexts) }

// TellStarvation is tellStarvation.
var TellStarvation = tellStarvation

// BreakPoller makes the loop unable to wait, or with nil, able again.
func (r *Reactor) BreakPoller(err error) {
	if err == nil {
		r.setPoller(nil)
		return
	}
	r.setPoller(brokenPoller{make(chanPoller, 1), err})
}

type brokenPoller struct {
	chanPoller
	err error
}

func (p brokenPoller) poll(bool) error { return p.err }

package reactor

// Kept returns the numbers of dial queues and contexts that a loop holds.
func (r *Reactor) Kept() (queues, contexts int) { return len(r.dials), len(r.contexts) }

// ExplainLookup is explainLookup.
var ExplainLookup = explainLookup

// BreakPoller makes the loop unable to wait or, with nil, able to wait again.
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

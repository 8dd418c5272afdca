package reactor

// Kept returns how many dial queues and contexts a loop remembers.
func (r *Reactor) Kept() (queues, contexts int) { return len(r.dials), len(r.contexts) }

// TellStarvation is tellStarvation.
var TellStarvation = tellStarvation

package simtest

import (
	"fmt"
	"runtime"
	"sync"
	"time"
)

// The workers of a hunt are a crew, which does one phase of it after another.

// A phase gives out jobs, and notes what has become of them. Its functions are
// called with the hunt's mu held.
type phase struct {
	over   <-chan struct{} // closed when no more is to be given out
	giveUp <-chan struct{} // closed when what is under way is to be given up
	next   func() (searchJob, bool)
	note   func(job searchJob, o searchOutcome)

	name    func(job searchJob) string               // for the progress; may be nil
	givenUp func(job searchJob, after time.Duration) // may be nil
}

// A crewMember is a server that may have run something already.
type crewMember struct {
	searchServer
	used bool
}

// runPhase does the jobs of a phase in so many servers at once, each of which is
// driven by a goroutine.
func (h *hunt) runPhase(p phase, servers int) {
	h.mu.Lock()
	h.retry = nil
	h.mu.Unlock()
	var wait sync.WaitGroup
	for range servers {
		wait.Go(func() { h.serve(p) })
	}
	wait.Wait()
}

// job returns what is to be done next, or false if nothing is.
func (h *hunt) job(p phase) (searchJob, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if isClosed(p.over) {
		return searchJob{}, false
	}
	if n := len(h.retry) - 1; n >= 0 {
		job := h.retry[n]
		h.retry = h.retry[:n]
		return job, true
	}
	return p.next()
}

// serve gives jobs to one server after another.
func (h *hunt) serve(p phase) {
	server := h.idleServer()
	discard := func() {
		if server != nil {
			server.close()
			server = nil
		}
	}
	defer func() { h.keepIdle(server) }()
	for {
		job, ok := h.job(p)
		if !ok {
			return
		}
		if job.alone && server != nil && server.used {
			discard()
		}
		release := takeTurn()
		if server == nil {
			launched, err := h.launch(p.giveUp)
			if err != nil {
				release()
				h.fail(err)
				return
			}
			server = &crewMember{searchServer: launched}
		}
		began := time.Now()
		h.noteUnderWay(p, server, job, began)
		o := server.do(job, p.giveUp)
		h.noteEnd(server)
		release()
		if took := time.Since(began); !o.ended && !o.givenUp {
			h.noteTime(took)
		}
		if o.givenUp {
			h.noteGivenUp(p, job, time.Since(began))
			discard()
			return
		}
		h.note(p, job, o, server.used)
		server.used = true
		if o.died != "" || o.Spent || h.search.Fresh || isHeavy(server.searchServer) {
			discard()
		}
	}
}

// An underWay is what a server does.
type underWay struct {
	name  string
	began time.Time
}

// noteUnderWay notes that a server has begun with something that has a name.
func (h *hunt) noteUnderWay(p phase, server *crewMember, job searchJob, began time.Time) {
	if p.name == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.underWay[server] = underWay{p.name(job), began}
}

// noteEnd notes that a server does nothing.
func (h *hunt) noteEnd(server *crewMember) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.underWay, server)
}

// longestLocked tells what has run for the longest time, if that is longer than h.long.
func (h *hunt) longestLocked() string {
	var first underWay
	for _, u := range h.underWay {
		if first.name == "" || u.began.Before(first.began) {
			first = u
		}
	}
	took := time.Since(first.began)
	if first.name == "" || took < h.long {
		return ""
	}
	return fmt.Sprintf("%s has run for %v", first.name, took.Round(time.Second))
}

// noteTime notes how long something has taken in real time that came to an end.
func (h *hunt) noteTime(took time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.slowest = max(h.slowest, took)
}

// noteGivenUp notes that a job was given up after so long.
func (h *hunt) noteGivenUp(p phase, job searchJob, after time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.givenUp != nil && after >= h.long {
		p.givenUp(job, after)
	}
}

// note notes the outcome of a job, or schedules it again if it may be that it is not
// to blame. used says that its server had run others before.
func (h *hunt) note(p phase, job searchJob, o searchOutcome, used bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case o.died != "" && job.KeepPools && (ofPools(o.output) || o.ended && used && standsStill(o.output)):
		h.pools = false
		job.KeepPools = false
		h.retry = append(h.retry, job)
		return
	case (o.memory && used || o.killed) && !job.alone:
		job.alone = true
		h.retry = append(h.retry, job)
		return
	}
	p.note(job, o)
}

// idleServer returns a server that is ready, or nil if one is to be launched.
func (h *hunt) idleServer() *crewMember {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(h.idle) - 1
	if n < 0 {
		return nil
	}
	server := h.idle[n]
	h.idle = h.idle[:n]
	return server
}

// keepIdle keeps a server, if it is not nil, for the next phase.
func (h *hunt) keepIdle(server *crewMember) {
	if server == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.idle = append(h.idle, server)
}

// dismiss ends the servers that are left.
func (h *hunt) dismiss() {
	var wait sync.WaitGroup
	for server := h.idleServer(); server != nil; server = h.idleServer() {
		wait.Go(server.close)
	}
	wait.Wait()
}

// isHeavy reports whether a server had better be replaced.
func isHeavy(server searchServer) bool {
	p, ok := server.(*searchProcess)
	return ok && p.isHeavy()
}

// turns bounds how many seeds of all searches of the process run at once: parallel
// tests share the processors.
var turns = sync.OnceValue(func() chan struct{} {
	return make(chan struct{}, max(runtime.GOMAXPROCS(0), runtime.NumCPU()))
})

// takeTurn waits until a seed may run. It returns a function to call when it has.
func takeTurn() (release func()) {
	turns() <- struct{}{}
	return func() { <-turns() }
}
